package token_test

import "testing"

func TestExcepted(t *testing.T) { t.Skip("an exception names this file") }
