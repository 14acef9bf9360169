package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/gate"
)

var _ token.Budgets = (*Store)(nil)

// keepBudgets is how long a budget is kept that nothing was counted in: longer than any period.
const keepBudgets = 90 * 24 * time.Hour

const (
	createBudget = `INSERT INTO mint_budgets (project, server, counts, update_time) VALUES ($1, $2, '{}', $3)
		ON CONFLICT (project, server) DO NOTHING`
	trimBudgets  = "DELETE FROM mint_budgets WHERE update_time < $1"
	selectBudget = "SELECT counts FROM mint_budgets WHERE project = $1 AND server = $2"
	updateBudget = "UPDATE mint_budgets SET counts = $3, update_time = $4 WHERE project = $1 AND server = $2"
)

// UpdateBudget implements token.Budgets.
func (s *Store) UpdateBudget(ctx context.Context, project, server string, now time.Time, change func(*gate.Budget)) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		created, err := tx.ExecContext(ctx, createBudget, project, server, sqldb.Micros(now))
		if err != nil {
			return err
		}
		if n, err := created.RowsAffected(); err != nil || n > 0 { // a good moment: it does not happen often
			if _, err := tx.ExecContext(ctx, trimBudgets, sqldb.Micros(now.Add(-keepBudgets))); err != nil {
				return err
			}
		}
		var text string
		if err := tx.QueryRowContext(ctx, selectBudget+s.lock, project, server).Scan(&text); err != nil {
			return err
		}
		var budget gate.Budget
		if err := json.Unmarshal([]byte(text), &budget); err != nil {
			return fmt.Errorf("budget of %s: %w", server, err)
		}
		change(&budget)
		next, err := json.Marshal(budget)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, updateBudget, project, server, string(next), sqldb.Micros(now))
		return err
	})
	if err != nil {
		return failure("update budget", err)
	}
	return nil
}
