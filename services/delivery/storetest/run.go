package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

// Run runs the suite. newStore returns an empty store.
func Run(t *testing.T, newStore func(t *testing.T) delivery.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"Buses", testBuses},
		{"DefaultBus", testDefaultBus},
		{"Rules", testRules},
		{"RuleSetVersions", testVersions},
		{"Destinations", testDestinations},
		{"DestinationInUse", testInUse},
		{"Controls", testControls},
		{"Backlog", testBacklog},
		{"Lines", testLines},
		{"LinesAreCancelled", testLinesCancelled},
		{"SigningKeys", testSigningKeys},
		{"Accept", testAccept},
		{"AcceptIsAtomic", testAcceptFails},
		{"Archives", testArchives},
		{"ArchivedEvents", testArchivedEvents},
		{"DeletedArchive", testDeletedArchive},
		{"Claim", testClaim},
		{"ClaimsMeetNever", testClaimsMeetNever},
		{"ClaimsKeepLimits", testLimits},
		{"ClaimOverdue", testClaimOverdue},
		{"Record", testRecord},
		{"RecordOfALostDelivery", testRecordLost},
		{"History", testHistory},
		{"Due", testDue},
		{"Slots", testSlots},
		{"Filters", testFilters},
		{"Pages", testPages},
		{"Redrive", testRedrive},
		{"RedriveDead", testRedriveDead},
		{"Cancel", testCancel},
		{"Instances", testInstances},
		{"Adopt", testAdopt},
		{"Schedules", testSchedules},
		{"BusWithSchedules", testBusWithSchedules},
		{"DueSchedules", testDueSchedules},
		{"Ticks", testTicks},
		{"Trim", testTrim},
		{"TrimBesideJournal", testTrimBesideJournal},
		{"Retentions", testRetentions},
		{"Sizes", testSizes},
		{"Keys", testKeys},
		{"KeysOfABatch", testKeysOfABatch},
		{"Webhooks", testWebhooks},
		{"Receipts", testReceipts},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, &fixture{Store: newStore(t)}) })
	}
}

// fixture is a store with shorthands.
type fixture struct {
	delivery.Store
	count int
}

// now is the time of the tests: stores keep microseconds.
var now = time.Date(2026, 11, 22, 14, 0, 0, 123456000, time.UTC)

const (
	me    = "instance-1"
	other = "instance-2"
)

var (
	bus  = delivery.BusName{Project: "p", Bus: delivery.DefaultBus}
	lane = delivery.DestinationName{Project: "p", Destination: "d"}
)

// id returns ULIDs that rise.
func (f *fixture) id() string {
	f.count++
	digits := []byte("01M81WBVY9G4A7XXCEJ0000000")
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	for i, n := len(digits)-1, f.count; n > 0; i, n = i-1, n/32 {
		digits[i] = alphabet[n%32]
	}
	return string(digits)
}

func (f *fixture) destination(t *testing.T, name delivery.DestinationName) delivery.Destination {
	t.Helper()
	d := delivery.Destination{
		Name: name, Description: "about", Connection: "crm", Endpoint: "https://api.example/*", Method: "PUT", RateLimit: 50,
		Timeout: 1500 * time.Millisecond, CreateTime: now, UpdateTime: now, Etag: f.id(),
		MaxConcurrency: delivery.DefaultConcurrency, Detail: delivery.DetailFailures,
		IdempotencyHeader: delivery.DefaultIdempotencyHeader,
	}
	require.NoError(t, f.CreateDestination(t.Context(), d))
	return d
}

func (f *fixture) rule(t *testing.T, name delivery.RuleName, destinations ...string) delivery.Rule {
	t.Helper()
	retries := 0
	r := delivery.Rule{Name: name, Description: "about", EventPattern: `{"source":["s"]}`, CreateTime: now, UpdateTime: now, Etag: f.id()}
	for i, d := range destinations {
		r.Targets = append(r.Targets, delivery.Target{
			ID: string(rune('a' + i)), Destination: d, PathParameters: []string{"$.detail.id"}, InputPath: "$.detail",
			Headers: map[string]string{"X-A": "1"}, QueryParameters: map[string]string{"q": "$.id"},
			Retry:      delivery.RetryPolicy{Retries: &retries, MaxAge: time.Hour},
			Batch:      &delivery.Batching{MaxEvents: 7, Window: time.Second, MaxBytes: 1000},
			DeadLetter: delivery.DeadLetter{Action: delivery.PutDead, Bus: "dead"},
		}, delivery.Target{
			ID: string(rune('A' + i)), Destination: d, Input: `{ "a": 1.0 }`, Grant: "$.detail.user",
		}, delivery.Target{
			ID: string(rune('0' + i)), Destination: d,
			Transformer: &delivery.Transformer{Paths: map[string]string{"a": "$.id"}, Template: `{"a":<a>}`},
		})
	}
	require.NoError(t, f.CreateRule(t.Context(), r))
	return r
}

func ruleName(id string) delivery.RuleName {
	return delivery.RuleName{Project: bus.Project, Bus: bus.Bus, Rule: id}
}

// accept stores an event with one delivery to a lane, and returns the delivery.
func (f *fixture) accept(t *testing.T, to delivery.DestinationName, change func(*delivery.Delivery)) *delivery.Delivery {
	t.Helper()
	e := &delivery.Event{
		Project: to.Project, ID: f.id(), Bus: bus.Bus, Source: "s", DetailType: "T", Detail: `{ "n" : 1.50,"a":"ü\u0000" }`,
		Resources: []string{"r1", `r"2`}, Time: now.Truncate(time.Second), IngestionTime: now, Traceparent: "00-x",
	}
	d := &delivery.Delivery{
		ID: delivery.ID{Project: to.Project, Delivery: f.id()}, Event: e, Rule: "r", Destination: to.Destination, State: delivery.Pending,
		Target:     delivery.Target{ID: "t", Destination: to.Destination, Retry: delivery.RetryPolicy{MaxAge: time.Hour}},
		CreateTime: now, NextAttempt: now, ExpireTime: now.Add(time.Hour),
	}
	if change != nil {
		change(d)
	}
	require.NoError(t, f.Accept(t.Context(), delivery.BusName{Project: to.Project, Bus: e.Bus},
		func(string, func() (delivery.RuleSet, error)) (delivery.Batch, error) {
			return delivery.Batch{Events: []*delivery.Event{e}, Deliveries: []*delivery.Delivery{d}}, nil
		}))
	return d
}

// get returns a delivery as it is stored.
func (f *fixture) get(t *testing.T, id delivery.ID) delivery.Delivery {
	t.Helper()
	d, err := f.Delivery(t.Context(), id)
	require.NoError(t, err)
	return d
}

// end records an end of a delivery.
func (f *fixture) end(t *testing.T, d *delivery.Delivery, change func(*delivery.Delivery)) {
	t.Helper()
	ended := *d
	ended.Owner, ended.EndTime = "", now
	change(&ended)
	applied, err := f.Record(t.Context(), d.Owner, &ended, nil)
	require.NoError(t, err)
	require.True(t, applied)
}

func dead(d *delivery.Delivery) {
	d.State, d.ErrorCode, d.ErrorMessage, d.Payload = delivery.Dead, delivery.Timeout, "too slow", "{}"
}

func idsOf[D delivery.Delivery | *delivery.Delivery](list []D) []string {
	ids := []string{}
	for _, d := range list {
		switch d := any(d).(type) {
		case delivery.Delivery:
			ids = append(ids, d.ID.Delivery)
		case *delivery.Delivery:
			ids = append(ids, d.ID.Delivery)
		}
	}
	return ids
}

func (f *fixture) list(t *testing.T, filter delivery.Filter) []string {
	t.Helper()
	list, err := f.ListDeliveries(t.Context(), "p", filter, now, "", 100)
	require.NoError(t, err)
	return idsOf(list)
}

func (f *fixture) claim(ctx context.Context, t *testing.T, owner string, at time.Time, limit int) ([]string, time.Time) {
	t.Helper()
	claimed, next, err := f.Claim(ctx, lane, owner, at, limit)
	require.NoError(t, err)
	for _, d := range claimed {
		require.Equal(t, owner, d.Owner)
	}
	return idsOf(claimed), next
}
