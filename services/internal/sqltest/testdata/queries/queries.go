package queries

const (
	columns = `a, b`
	few     = 2
	some    = `SELECT a FROM t LIMIT $1 `
)

func (s *store) claiming(selection, statement string) string {
	return `WITH claimed AS (` + selection + s.db.ForUpdate() + `) ` + statement
}

func (s *store) work(tx tx) {
	const all = "DELETE FROM t"
	tx.Query(`SELECT `+columns+` FROM t WHERE a IN (`+placeholders(2, few)+`)`, 1)
	tx.Exec(s.claiming(some, all))
	tx.Exec(all+" WHERE a = $1", columns)
}
