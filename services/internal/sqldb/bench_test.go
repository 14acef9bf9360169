package sqldb_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// BenchmarkWriteParallel measures durable writes by 128 callers, and as "ratio" how many times that is of what one caller
// gets, who waits for each commit. For PostgreSQL set FRESHET_TEST_POSTGRES_FSYNC=on.
func BenchmarkWriteParallel(b *testing.B) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		b.Run(string(engine), func(b *testing.B) {
			db := sqltest.Open(b, engine, migrations())
			var id atomic.Int64
			one := func() {
				name := strconv.FormatInt(id.Add(1), 10)
				err := db.Write(b.Context(), func(ctx context.Context, tx sqldb.Tx) error { return insert(ctx, tx, name, 1) })
				if err != nil {
					b.Error(err)
				}
			}
			const alone = 1000
			start := time.Now()
			for range alone {
				one()
			}
			single := alone / time.Since(start).Seconds()

			before := db.Stats()
			b.SetParallelism(64)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					one()
				}
			})
			parallel := float64(b.N) / b.Elapsed().Seconds()
			after := db.Stats()
			b.ReportMetric(parallel, "writes/s")
			b.ReportMetric(single, "one-by-one/s")
			b.ReportMetric(parallel/single, "ratio")
			b.ReportMetric(float64(after.Writes-before.Writes)/float64(after.Commits-before.Commits), "writes/commit")
		})
	}
}

// BenchmarkRead measures reading one row by its key.
func BenchmarkRead(b *testing.B) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		for name, query := range map[string]string{
			"row":  "SELECT n FROM items WHERE project = $1 AND id = $2 AND n <= $3",
			"page": "SELECT n FROM items WHERE project = $1 AND id >= $2 ORDER BY project, id LIMIT $3",
		} {
			b.Run(string(engine)+"/"+name, func(b *testing.B) {
				db := sqltest.Open(b, engine, migrations())
				require.NoError(b, db.Write(b.Context(), func(ctx context.Context, tx sqldb.Tx) error { return insert(ctx, tx, "a", 1) }))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						err := db.Read(b.Context(), func(ctx context.Context, tx sqldb.Tx) error {
							var n int
							return tx.QueryRowContext(ctx, query, "p", "a", 1).Scan(&n)
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
