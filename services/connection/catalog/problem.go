package catalog

import "github.com/freshet-io/freshet/services/internal/lint"

// Problem is one thing that is wrong with an entry.
type Problem = lint.Problem

// LintErrors are all that is wrong with entries: an error unless there are none.
type LintErrors = lint.Problems //nolint:errname // They are problems first.
