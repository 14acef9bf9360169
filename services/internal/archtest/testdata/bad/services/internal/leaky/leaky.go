// Package leaky knows a service.
package leaky

import _ "github.com/freshet-io/freshet/services/delivery/fine" // want internal-is-leaf
