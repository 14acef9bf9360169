// Package fine breaks no rule.
package fine

import (
	"errors"
	"os"
)

// Open returns an error like everyone.
func Open(name string) (*os.File, error) {
	if name == "" {
		return nil, errors.New("no name")
	}
	return os.Open(name)
}
