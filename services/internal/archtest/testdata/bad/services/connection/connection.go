// Package connection is documented in two files.
package connection

import (
	_ "testing" // want tests-stay-out

	_ "github.com/freshet-io/freshet/services/connection/fresh" // want domain-is-pure
	_ "github.com/stretchr/testify/require"                     // want tests-stay-out
)
