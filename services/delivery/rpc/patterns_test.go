package rpc_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

const whole = `{"id":"1","detail-type":"T","source":"shop","account":"p","time":"2026-03-01T12:00:00Z","region":"local","resources":["r"],"detail":{"n":7}}`

func TestPatternRPCs(t *testing.T) {
	f := newFixture(t)
	patterns := deliveryv1.NewPatternServiceClient(f.admin)
	for text, want := range map[string]bool{`{"detail":{"n":[{"numeric":[">",6]}]}}`: true, `{"source":["other"]}`: false} {
		r, err := patterns.TestEventPattern(t.Context(), &deliveryv1.TestEventPatternRequest{Bus: standard, EventPattern: text, Event: whole})
		require.NoError(t, err)
		require.NotNil(t, r.Result, "a false verdict is in the answer")
		require.Equal(t, want, r.GetResult())
	}
	r, err := patterns.ExplainEventPattern(t.Context(), &deliveryv1.ExplainEventPatternRequest{
		Bus: standard, EventPattern: `{"$or":[{"a":[1]},{"b":["x",{"exists":false}]}]}`, Event: `{"a":2,"b":"y"}`,
	})
	require.NoError(t, err)
	require.False(t, r.GetResult())
	require.Len(t, r.GetFields(), 2)
	require.Equal(t, "$or[1].b", r.GetFields()[1].GetPlace())
	require.Equal(t, "b", r.GetFields()[1].GetPath())
	require.Equal(t, deliveryv1.PatternFieldExplanation_MISMATCH, r.GetFields()[1].GetVerdict())
	require.Equal(t, []string{`"y"`}, r.GetFields()[1].GetValuesSeen())
	require.EqualValues(t, 1, r.GetFields()[1].GetValueCount())
	require.Equal(t, []string{"equals", "exists"}, []string{
		r.GetFields()[1].GetTests()[0].GetOperator(), r.GetFields()[1].GetTests()[1].GetOperator(),
	})
	require.Len(t, r.GetAlternatives(), 2)
	require.Equal(t, []string{"$or[0]"}, r.GetAlternatives()[0].GetBranches())
	require.Equal(t, []string{"$or[0].a"}, r.GetAlternatives()[0].GetFailedFields())
}

func TestPatternRPCErrors(t *testing.T) {
	f := newFixture(t)
	patterns := deliveryv1.NewPatternServiceClient(f.admin)
	try := func(bus, text, event string) error {
		_, err := patterns.TestEventPattern(t.Context(), &deliveryv1.TestEventPatternRequest{Bus: bus, EventPattern: text, Event: event})
		return err
	}
	const text = `{"source":["shop"]}`
	requireError(t, try("projects/p/buses/none", text, whole), codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)
	requireField(t, try(standard, `{"a":"x"}`, whole), errorsv1.Reason_INVALID_EVENT_PATTERN, "event_pattern", "at a:")
	for _, bad := range []struct{ from, to, field, says string }{
		{`"id":"1",`, ``, "event.id", "is missing"},
		{`"detail-type":"T"`, `"detail-type":7`, "event.detail-type", "must be a string"},
		{`"source":"shop",`, ``, "event.source", "is missing"},
		{`"account":"p",`, ``, "event.account", "is missing"},
		{`2026-03-01T12:00:00Z`, `yesterday`, "event.time", "RFC 3339"},
		{`"region":"local",`, ``, "event.region", "is missing"},
		{`"resources":["r"],`, ``, "event.resources", "is missing"},
		{`["r"]`, `[["r"]]`, "event.resources", "array of strings"},
		{`["r"]`, `"r"`, "event.resources", "array of strings"},
		{`{"n":7}`, `[7]`, "event.detail", "must be an object"},
		{`}}`, `}`, "event", "JSON object"},
	} {
		err := try(standard, text, strings.Replace(whole, bad.from, bad.to, 1))
		requireField(t, err, errorsv1.Reason_INVALID_FIELD, bad.field, bad.says)
	}
	_, err := patterns.ExplainEventPattern(t.Context(), &deliveryv1.ExplainEventPatternRequest{Bus: standard, EventPattern: text, Event: `[]`})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "event", "JSON object")
}
