package delivery_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
)

func byGrant(r *delivery.Rule) { r.Targets[0].Grant = "$.detail.user" }

// TestGrants: each event is delivered with the token of the user whom it names, also where the connection has none of its own.
func TestGrants(t *testing.T) {
	refuse := true
	to := newSink(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Header.Get("Authorization") == "Bearer of-bob" && refuse {
			refuse = false
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	s := newShop(t, to.URL, nil, nil)
	s.Tokens.Deauthorize(deliverytest.CRM)
	s.Tokens.Bearer(deliverytest.CRM+"/grants/ann", "of-ann")
	s.Tokens.Bearer(deliverytest.CRM+"/grants/bob", "of-bob")
	_, err := s.Service.UpdateRule(t.Context(), delivery.RuleName{Project: "p", Bus: delivery.DefaultBus, Rule: "shop"}, delivery.Write{},
		func(r *delivery.Rule) error {
			byGrant(r)
			return nil
		})
	require.NoError(t, err)
	await(t, s, s.Put(t, "shop", `{"user":"ann"}`)[0], inState(delivery.Succeeded))
	require.Equal(t, "Bearer of-ann", to.all()[0].Header.Get("Authorization"))
	bob := s.Put(t, "shop", `{"user":"bob"}`)[0]
	to.wait(t, 2)
	s.Tokens.Bearer(deliverytest.CRM+"/grants/bob", "of-bob-2") // as the report of the refusal brings about
	require.Equal(t, delivery.Unauthorized, await(t, s, bob, inState(delivery.Succeeded)).History[0].Class)
	require.Equal(t, "Bearer of-bob-2", to.wait(t, 3)[2].Header.Get("Authorization"))
	require.Len(t, s.Tokens.Rejected(), 1)
}

func TestEventsThatNameNoGrant(t *testing.T) {
	to := newSink(t, nil)
	s := newShop(t, to.URL, byGrant, nil)
	for detail, says := range map[string]string{
		`{}`: "names no grant at $.detail.user", `{"user":null}`: "names no grant", `{"user":"../x"}`: "no id of a grant", `{"user":{}}`: "no id of a grant",
	} {
		d := await(t, s, s.Put(t, "shop", detail)[0], inState(delivery.Dead))
		require.Equal(t, delivery.InvalidParameter, d.ErrorCode)
		require.Contains(t, d.ErrorMessage, says)
		require.NotEmpty(t, d.Payload)
	}
	require.Empty(t, to.all())
}

// TestGrantThatComesLater: a delivery waits for its user at no cost, while others go on; and not longer than it may.
func TestGrantThatComesLater(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Status: 200} }, func(t *testing.T, s *deliverytest.Suite, n *network) {
		s.Rule(t, "shop", func(r *delivery.Rule) {
			byGrant(r)
			r.Targets[0].Retry.MaxAge = 20 * time.Minute
		})
		s.Tokens.Bearer(deliverytest.CRM+"/grants/ann", "of-ann")
		never, later := s.Put(t, "shop", `{"user":"never"}`)[0], s.Put(t, "shop", `{"user":"later"}`)[0]
		ann := s.Put(t, "shop", `{"user":"ann"}`)[0]
		time.Sleep(10 * time.Minute)
		require.Equal(t, delivery.Succeeded, find(t, s, ann).State)
		require.Len(t, n.times(), 1)
		d := find(t, s, later)
		require.Equal(t, delivery.Pending, d.State)
		require.Zero(t, d.Attempts)
		s.Tokens.Bearer(deliverytest.CRM+"/grants/later", "of-later")
		time.Sleep(2 * time.Minute)
		require.Equal(t, delivery.Succeeded, find(t, s, later).State)
		time.Sleep(10 * time.Minute)
		d = find(t, s, never)
		require.Equal(t, delivery.Dead, d.State)
		require.Equal(t, delivery.NoPermissions, d.ErrorCode)
		require.Contains(t, d.ErrorMessage, "the grant had no valid credential")
		require.Contains(t, d.ErrorMessage, "TOKEN_NOT_FOUND")
		require.Len(t, n.times(), 2)
	})
}
