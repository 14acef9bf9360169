// Package storetest is the conformance suite.
package storetest

import (
	_ "database/sql"
	_ "testing"

	_ "github.com/stretchr/testify/require"
)
