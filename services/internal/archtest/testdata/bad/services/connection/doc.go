// Package connection is documented here too.
package connection // want package-doc

import _ "github.com/freshet-io/freshet/services/internal/clock" // want domain-is-pure
