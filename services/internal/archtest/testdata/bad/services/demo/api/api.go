// Package api plays an API of other people.
package api

import _ "github.com/freshet-io/freshet/services/delivery/fine" // want demo-is-outside
