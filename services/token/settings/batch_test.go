package settings_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/settings"
)

// slowConn is a connection whose other side takes a second for each call. It counts how many names were in each.
type slowConn struct {
	conn

	mu    sync.Mutex
	sizes []int
}

func (c *slowConn) Invoke(_ context.Context, _ string, in, out any, _ ...grpc.CallOption) error {
	names := make([]string, 1)
	one, single := in.(*connectionv1.GetAuthorizationSettingsRequest)
	if single {
		names[0] = one.GetName()
	} else {
		names = in.(*connectionv1.BatchGetAuthorizationSettingsRequest).GetNames()
	}
	c.mu.Lock()
	c.sizes = append(c.sizes, len(names))
	c.mu.Unlock()
	time.Sleep(time.Second)
	if c.err != nil {
		return c.err
	}
	if single {
		out.(*connectionv1.GetAuthorizationSettingsResponse).Settings = uidOf(names[0])
		return nil
	}
	all := out.(*connectionv1.BatchGetAuthorizationSettingsResponse)
	for _, name := range names {
		result := &connectionv1.BatchGetAuthorizationSettingsResponse_Result{
			Outcome: &connectionv1.BatchGetAuthorizationSettingsResponse_Result_Settings{Settings: uidOf(name)},
		}
		if strings.HasSuffix(name, "3") {
			result.Outcome = &connectionv1.BatchGetAuthorizationSettingsResponse_Result_Error{
				Error: &connectionv1.BatchGetAuthorizationSettingsResponse_Error{
					Code: int32(codes.NotFound), Reason: errorsv1.Reason_GRANT_NOT_FOUND,
				},
			}
		}
		all.Results = append(all.Results, result)
	}
	return nil
}

func uidOf(name string) *connectionv1.AuthorizationSettings {
	return &connectionv1.AuthorizationSettings{
		Uid: name, Authorization: &connectionv1.AuthorizationSettings_ApiKey{ApiKey: &connectionv1.ApiKeyAuthorization{Name: "n", Value: "v"}},
	}
}

// TestQuestionsGather while others are under way, and each gets its own answer.
func TestQuestionsGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 250
		c := &slowConn{}
		client := settings.New(c)
		begin := time.Now()
		var done sync.WaitGroup
		ask := func(i int) {
			name := fmt.Sprintf("projects/p/connections/c/grants/%d", i)
			got, err := client.AuthorizationSettings(t.Context(), name)
			var failure *token.Failure
			switch {
			case i > 1 && i%10 == 3:
				require.ErrorAs(t, err, &failure)
				require.Equal(t, token.ReasonConnectionNotFound, failure.Reason)
			default:
				require.NoError(t, err)
				require.Equal(t, name, got.ConnectionUID)
			}
		}
		for i := range n {
			done.Go(func() { ask(i) })
			if i < 2 {
				synctest.Wait() // the first two calls are of one each
			}
		}
		done.Wait()
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.ElementsMatch(t, []int{1, 1, 100, 100, 48}, c.sizes)

		left, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := client.AuthorizationSettings(left, "projects/p/connections/c")
		var failure *token.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, token.ReasonServiceUnavailable, failure.Reason)
		time.Sleep(2 * time.Second) // until the call that nobody waits for any more has ended
	})
}
