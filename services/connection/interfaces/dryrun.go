package interfaces

import (
	"context"
	"errors"

	"github.com/freshet-io/freshet/services/internal/lint"
	"github.com/freshet-io/freshet/services/internal/mapping"
)

// DryRun tries an operation of a definition. It calls nobody.
//
// Errors: *connection.ValidationError of the definition, and those of mapping.Interface.Try.
func DryRun(ctx context.Context, definition string, t mapping.Trial) (mapping.Tried, error) {
	parsed, err := mapping.Parse("", []byte(definition))
	if problems, ok := errors.AsType[lint.Problems](err); ok {
		return mapping.Tried{}, refusal(problems)
	}
	if err != nil {
		return mapping.Tried{}, err
	}
	return parsed.Try(ctx, t)
}
