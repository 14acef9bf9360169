// Package delivery is documented, but not in doc.go.
package delivery // want package-doc

import _ "github.com/freshet-io/freshet/services/delivery/fine"
