package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// scenario is one behaviour that every world must show.
type scenario struct {
	name string
	run  func(*testing.T, World)
}

// scenarios share a started world, each in a project of its own.
func scenarios() []scenario {
	return []scenario{
		{"the first steps of the README", testFirstSteps},
		{"a dead letter is kept, mended and redriven", testDeadLetter},
		{"errors have one shape", testProblems},
		{"nobody gets in without a key", testAccess},
		{"changes of a connection's state are events", testStateEvents},
		{"a changed static credential is a new generation", testStaticCredentials},
		{"a changed client secret authorizes anew", testClientSecret},
		{"a wrong client secret harms nothing that is valid", testWrongClientSecret},
		{"a bound token is proved with each request", testBoundTokens},
		{"a revoked token is replaced at no cost", testRevokedToken},
		{"an outage of the authorization server passes", testOutage},
		{"each event goes with the token of the user whom it names", testUsersTokens},
		{"events come in from outside", testIngest},
		{"projects do not see each other", testTenancy},
		{"traces and metrics tell what happened", testObservability},
	}
}

func TestSuite(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, k)
			t.Run("shared", func(t *testing.T) {
				for _, c := range scenarios() {
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						c.run(t, w)
					})
				}
			})
			t.Run("nothing was served expired or asked for twice", func(t *testing.T) {
				m := scrape(t, w)
				require.Contains(t, m.values, "freshet_token_served_expired_total")
				require.Zero(t, m.values["freshet_token_served_expired_total"])
				require.Zero(t, m.values["freshet_token_double_redeem_total"])
				require.Zero(t, m.values["freshet_token_rotation_lost_total"])
			})
			t.Run("a restart goes unnoticed", func(t *testing.T) { testRestart(t, w) })
			if mortal, ok := w.(Mortal); ok {
				t.Run("a crash goes unnoticed", func(t *testing.T) { testCrash(t, mortal) })
			}
		})
	}
}
