package rpc_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
)

func TestBuses(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	name := "projects/p/buses/orders"
	create := &deliveryv1.CreateBusRequest{Parent: parent, BusId: "orders", Bus: &deliveryv1.Bus{Description: "d"}, ValidateOnly: true}
	_, err := f.api.CreateBus(ctx, create)
	require.NoError(t, err)
	_, err = f.api.GetBus(ctx, &deliveryv1.GetBusRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)
	create.ValidateOnly = false
	created, err := f.api.CreateBus(ctx, create)
	require.NoError(t, err)
	require.Equal(t, name, created.GetBus().GetName())
	_, err = f.api.CreateBus(ctx, create)
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	create.BusId = "no good"
	_, err = f.api.CreateBus(ctx, create)
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
	got, err := f.api.GetBus(ctx, &deliveryv1.GetBusRequest{Name: name})
	require.NoError(t, err)
	require.True(t, proto.Equal(created.GetBus(), got.GetBus()))

	list, err := f.api.ListBuses(ctx, &deliveryv1.ListBusesRequest{Parent: parent, PageSize: 1})
	require.NoError(t, err)
	require.Equal(t, standard, list.GetBuses()[0].GetName())
	list, err = f.api.ListBuses(ctx, &deliveryv1.ListBusesRequest{Parent: parent, PageToken: list.GetNextPageToken()})
	require.NoError(t, err)
	require.Len(t, list.GetBuses(), 1)
	require.Empty(t, list.GetNextPageToken())
	_, err = f.api.ListBuses(ctx, &deliveryv1.ListBusesRequest{Parent: parent, PageToken: "x"})
	requireField(t, err, errorsv1.Reason_INVALID_PAGE_TOKEN, "page_token", "next_page_token")

	update := func(b *deliveryv1.Bus, paths ...string) (*deliveryv1.Bus, error) {
		r, err := f.api.UpdateBus(ctx, &deliveryv1.UpdateBusRequest{Bus: b, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return r.GetBus(), err
	}
	changed, err := update(&deliveryv1.Bus{Name: name, Description: "new", Etag: got.GetBus().GetEtag()})
	require.NoError(t, err)
	require.Equal(t, "new", changed.GetDescription())
	_, err = update(&deliveryv1.Bus{Name: name, Description: "newer", Etag: got.GetBus().GetEtag()})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	changed, err = update(&deliveryv1.Bus{Name: name}, "description")
	require.NoError(t, err)
	require.Empty(t, changed.GetDescription())
	_, err = update(&deliveryv1.Bus{Name: name}, "nothing")
	requireField(t, err, errorsv1.Reason_INVALID_UPDATE_MASK, "update_mask", "those that can: description, deduplicate_content")
	_, err = update(&deliveryv1.Bus{Name: name}, "create_time")
	requireField(t, err, errorsv1.Reason_INVALID_UPDATE_MASK, "update_mask", "cannot be changed")
	_, err = update(&deliveryv1.Bus{Name: name, Description: string(make([]byte, 513))}, "*")
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
	_, err = update(&deliveryv1.Bus{Name: "buses/x"})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "bus.name", "projects/{project}/buses/{bus}")
	_, err = update(&deliveryv1.Bus{Name: "projects/p/buses/none"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)
	kept := &deliveryv1.Retention{MaxAge: durationpb.New(time.Hour), DeadLetterMaxAge: durationpb.New(0), MaxBytes: 1 << 30}
	changed, err = update(&deliveryv1.Bus{Name: name, Retention: kept})
	require.NoError(t, err)
	require.True(t, proto.Equal(kept, changed.GetRetention()))
	_, err = update(&deliveryv1.Bus{Name: name, Retention: &deliveryv1.Retention{MaxAge: durationpb.New(time.Second)}})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "bus.retention.max_age", "at least 1m")
	_, err = update(&deliveryv1.Bus{Name: name, Retention: &deliveryv1.Retention{MaxBytes: 1}})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "bus.retention.max_bytes", "at least 1048576")
	changed, err = update(&deliveryv1.Bus{Name: name}, "retention")
	require.NoError(t, err)
	require.Nil(t, changed.GetRetention())
	logged := &deliveryv1.LogConfig{Level: deliveryv1.LogConfig_INFO, IncludeDetail: deliveryv1.LogConfig_FULL}
	changed, err = update(&deliveryv1.Bus{Name: name, LogConfig: logged})
	require.NoError(t, err)
	require.True(t, proto.Equal(logged, changed.GetLogConfig()))
	_, err = update(&deliveryv1.Bus{Name: name, LogConfig: &deliveryv1.LogConfig{Level: 9}})
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
	changed, err = update(&deliveryv1.Bus{Name: name}, "log_config")
	require.NoError(t, err)
	require.Nil(t, changed.GetLogConfig())
	standardBus, err := update(&deliveryv1.Bus{Name: standard, Description: "mine"})
	require.NoError(t, err)
	require.Equal(t, "mine", standardBus.GetDescription())

	_, err = f.api.DeleteBus(ctx, &deliveryv1.DeleteBusRequest{Name: standard})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	_, err = f.api.DeleteBus(ctx, &deliveryv1.DeleteBusRequest{Name: name, Etag: "old"})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err = f.api.DeleteBus(ctx, &deliveryv1.DeleteBusRequest{Name: name})
	require.NoError(t, err)
}

func TestDestinations(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	d := f.destination(t, "d", nil)
	require.Equal(t, deliveryv1.Destination_POST, d.GetHttpMethod())
	require.EqualValues(t, 300, d.GetRateLimitPerSecond())
	require.Equal(t, 5*time.Second, d.GetTimeout().AsDuration())
	require.Equal(t, deliveryv1.Destination_ACTIVE, d.GetState())
	full := f.destination(t, "full", func(d *deliveryv1.Destination) {
		d.Description, d.Endpoint, d.HttpMethod = "about", "http://127.0.0.1:1/*/x", deliveryv1.Destination_OPTIONS
		d.RateLimitPerSecond, d.Timeout = 7, durationpb.New(30*time.Second)
	})
	got, err := f.api.GetDestination(ctx, &deliveryv1.GetDestinationRequest{Name: full.GetName()})
	require.NoError(t, err)
	require.True(t, proto.Equal(full, got.GetDestination()), "%v\n%v", full, got)
	list, err := f.api.ListDestinations(ctx, &deliveryv1.ListDestinationsRequest{Parent: parent})
	require.NoError(t, err)
	require.Len(t, list.GetDestinations(), 2)

	for _, c := range []struct {
		change func(*deliveryv1.Destination)
		reason errorsv1.Reason
		field  string
		says   string
	}{
		{func(d *deliveryv1.Destination) { d.Endpoint = "http://10.0.0.1/" }, errorsv1.Reason_EGRESS_DENIED, "destination.endpoint", "public addresses"},
		{func(d *deliveryv1.Destination) { d.Endpoint = "ftp://h/" }, errorsv1.Reason_EGRESS_DENIED, "destination.endpoint", "https"},
		{func(d *deliveryv1.Destination) { d.Endpoint = "https://u:canary@h/" }, errorsv1.Reason_INVALID_FIELD, "destination.endpoint", "connection"},
		{func(d *deliveryv1.Destination) { d.Endpoint = "https://*.h/" }, errorsv1.Reason_INVALID_FIELD, "destination.endpoint", "path only"},
		{func(d *deliveryv1.Destination) { d.Endpoint = "nonsense" }, errorsv1.Reason_INVALID_FIELD, "destination.endpoint", "absolute"},
		{func(d *deliveryv1.Destination) { d.Connection = "projects/q/connections/crm" }, errorsv1.Reason_INVALID_FIELD, "destination.connection", "same project"},
		{func(d *deliveryv1.Destination) { d.RateLimitPerSecond = 301 }, errorsv1.Reason_INVALID_FIELD, "destination.rate_limit_per_second", "300"},
		{func(d *deliveryv1.Destination) { d.Timeout = durationpb.New(time.Minute) }, errorsv1.Reason_INVALID_FIELD, "destination.timeout", "30s"},
	} {
		d := &deliveryv1.Destination{Connection: deliverytest.CRM, Endpoint: "https://h/"}
		c.change(d)
		_, err := f.api.CreateDestination(ctx, &deliveryv1.CreateDestinationRequest{Parent: parent, DestinationId: "x", Destination: d})
		requireField(t, err, c.reason, c.field, c.says)
		require.NotContains(t, err.Error(), "canary")
	}
	_, err = f.api.CreateDestination(ctx, &deliveryv1.CreateDestinationRequest{Parent: parent, DestinationId: "d", Destination: d})
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	d.Connection = "projects/p/connections/none"
	_, err = f.api.CreateDestination(ctx, &deliveryv1.CreateDestinationRequest{Parent: parent, DestinationId: "x", Destination: d})
	requireError(t, err, codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND)

	update := func(d *deliveryv1.Destination, paths ...string) (*deliveryv1.Destination, error) {
		r, err := f.api.UpdateDestination(ctx, &deliveryv1.UpdateDestinationRequest{
			Destination: d, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		})
		return r.GetDestination(), err
	}
	changed, err := update(&deliveryv1.Destination{Name: full.GetName(), RateLimitPerSecond: 9})
	require.NoError(t, err)
	require.EqualValues(t, 9, changed.GetRateLimitPerSecond())
	require.Equal(t, "about", changed.GetDescription())
	changed, err = update(&deliveryv1.Destination{Name: full.GetName()}, "rate_limit_per_second", "http_method", "timeout")
	require.NoError(t, err)
	require.EqualValues(t, 300, changed.GetRateLimitPerSecond(), "cleared: the default")
	require.Equal(t, deliveryv1.Destination_POST, changed.GetHttpMethod())
	_, err = update(&deliveryv1.Destination{Name: full.GetName(), Endpoint: "http://10.0.0.1"})
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_EGRESS_DENIED)
	_, err = update(&deliveryv1.Destination{Name: full.GetName(), Connection: "projects/p/connections/none"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND)
	_, err = update(&deliveryv1.Destination{Name: full.GetName()}, "connection")
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "destination.connection", "")
	_, err = update(&deliveryv1.Destination{Name: "projects/p/destinations/none"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)

	placed := target("full")
	placed.PathParameterValues = []string{"$.id"}
	_, err = f.createRule(ctx, "r", simpleRule(placed))
	require.NoError(t, err)
	_, err = update(&deliveryv1.Destination{Name: full.GetName(), Endpoint: "https://h/"})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "destination.endpoint", "rules/r does not fit")
	_, err = f.api.DeleteDestination(ctx, &deliveryv1.DeleteDestinationRequest{Name: full.GetName()})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_RESOURCE_IN_USE)
	_, err = f.api.DeleteDestination(ctx, &deliveryv1.DeleteDestinationRequest{Name: "projects/p/destinations/d"})
	require.NoError(t, err)
	_, err = f.api.GetDestination(ctx, &deliveryv1.GetDestinationRequest{Name: "projects/p/destinations/d"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)
}

func TestRules(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.destination(t, "d", func(d *deliveryv1.Destination) { d.Endpoint = "https://h/*/x" })
	retries := int32(0)
	full := target("d")
	full.PathParameterValues, full.InputPath = []string{"$.detail.id"}, "$.detail"
	full.HeaderParameters, full.QueryStringParameters = map[string]string{"X-A": "$.id"}, map[string]string{"q": "1"}
	full.RetryPolicy = &deliveryv1.RetryPolicy{MaximumRetryAttempts: &retries, MaximumEventAge: durationpb.New(time.Minute)}
	created, err := f.createRule(ctx, "r", &deliveryv1.Rule{
		Description: "about", EventPattern: `{"source": ["shop"]}`, State: deliveryv1.Rule_DISABLED, Targets: []*deliveryv1.Target{full},
	})
	require.NoError(t, err)
	got, err := f.api.GetRule(ctx, &deliveryv1.GetRuleRequest{Name: created.GetName()})
	require.NoError(t, err)
	require.True(t, proto.Equal(created, got.GetRule()))
	require.True(t, proto.Equal(full, created.GetTargets()[0]), "%v", created)
	list, err := f.api.ListRules(ctx, &deliveryv1.ListRulesRequest{Parent: standard})
	require.NoError(t, err)
	require.Len(t, list.GetRules(), 1)
	_, err = f.api.ListRules(ctx, &deliveryv1.ListRulesRequest{Parent: "projects/p/buses/none"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)

	for i, c := range []struct {
		change func(*deliveryv1.Rule)
		reason errorsv1.Reason
		field  string
		says   string
	}{
		{func(r *deliveryv1.Rule) { r.EventPattern = `{"a":[{"prefix":1}]}` }, errorsv1.Reason_INVALID_EVENT_PATTERN, "rule.event_pattern", "at a.prefix: prefix takes a string"},
		{func(r *deliveryv1.Rule) { r.EventPattern = `nonsense` }, errorsv1.Reason_INVALID_EVENT_PATTERN, "rule.event_pattern", "not JSON"},
		{func(r *deliveryv1.Rule) { r.EventPattern = "" }, errorsv1.Reason_INVALID_FIELD, "rule.event_pattern", ""},
		{func(r *deliveryv1.Rule) { r.Targets = append(r.Targets, r.Targets[0]) }, errorsv1.Reason_INVALID_FIELD, "rule.targets[1].id", "must differ"},
		{func(r *deliveryv1.Rule) { r.Targets[0].InputPath = "$.a[*]" }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].input_path", "wildcards"},
		{func(r *deliveryv1.Rule) { r.Targets[0].PathParameterValues[0] = "$.a." }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].path_parameter_values[0]", "at character 4"},
		{func(r *deliveryv1.Rule) { r.Targets[0].PathParameterValues = nil }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].path_parameter_values", "has 1 *"},
		{func(r *deliveryv1.Rule) { r.Targets[0].HeaderParameters = map[string]string{"host": "x"} }, errorsv1.Reason_INVALID_FIELD, `rule.targets[0].header_parameters["host"]`, "cannot be set"},
		{func(r *deliveryv1.Rule) { r.Targets[0].HeaderParameters = map[string]string{"X": "$["} }, errorsv1.Reason_INVALID_FIELD, `rule.targets[0].header_parameters["X"]`, "JSON path"},
		{func(r *deliveryv1.Rule) { r.Targets[0].QueryStringParameters = map[string]string{"q": "$..x"} }, errorsv1.Reason_INVALID_FIELD, `rule.targets[0].query_string_parameters["q"]`, "descendants"},
		{func(r *deliveryv1.Rule) { r.Targets[0].Destination = "projects/q/destinations/d" }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].destination", "same project"},
		{func(r *deliveryv1.Rule) { r.Targets[0].Input = "{}" }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0]", "only one of input, input_path and input_transformer"},
		{func(r *deliveryv1.Rule) { r.Targets[0].InputPath, r.Targets[0].Input = "", "text" }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].input", "must be JSON text"},
		{transformed(`{"a":<b>}`, "a", "$.id"), errorsv1.Reason_INVALID_FIELD, "rule.targets[0].input_transformer.input_template", "at character 6: contains invalid placeholder b"},
		{transformed(`{"a":<b>}`, "b", "$.x["), errorsv1.Reason_INVALID_FIELD, `rule.targets[0].input_transformer.input_paths_map["b"]`, "want ['name'] or [index]"},
		{transformed(`{"a":<aws-b>}`, "aws-b", "$.x"), errorsv1.Reason_INVALID_FIELD, `rule.targets[0].input_transformer.input_paths_map["aws-b"]`, "must not begin with AWS"},
		{func(r *deliveryv1.Rule) { r.Targets[0].Grant = "$.detail[" }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].grant", "JSON path"},
		{func(r *deliveryv1.Rule) { r.Targets[0].Grant = "no good" }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].grant", "an id of a grant"},
		{deadTo(deliveryv1.DeadLetterPolicy_PUT_EVENT, ""), errorsv1.Reason_INVALID_FIELD, "rule.targets[0].dead_letter.bus", "required"},
		{deadTo(deliveryv1.DeadLetterPolicy_DISCARD, standard), errorsv1.Reason_INVALID_FIELD, "rule.targets[0].dead_letter.bus", "only with"},
		{deadTo(deliveryv1.DeadLetterPolicy_PUT_EVENT, "projects/q/buses/b"), errorsv1.Reason_INVALID_FIELD, "rule.targets[0].dead_letter.bus", "same project"},
		{deadTo(deliveryv1.DeadLetterPolicy_PUT_EVENT, "projects/p/buses/none"), errorsv1.Reason_INVALID_FIELD, "rule.targets[0].dead_letter.bus", "there is no bus"},
		{func(r *deliveryv1.Rule) {
			r.Targets[0].Batch = &deliveryv1.Batching{MaxEvents: 501}
		}, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].batch.max_events", ""},
		{func(r *deliveryv1.Rule) {
			r.Targets[0].Batch = &deliveryv1.Batching{MaxWindow: durationpb.New(time.Microsecond)}
		}, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].batch.max_window", ""},
		{func(r *deliveryv1.Rule) { r.Targets[0].Id = "no good" }, errorsv1.Reason_INVALID_FIELD, "rule.targets[0].id", ""},
	} {
		rule := proto.CloneOf(created)
		c.change(rule)
		_, err := f.createRule(ctx, fmt.Sprintf("bad%d", i), rule)
		requireField(t, err, c.reason, c.field, c.says)
		_, err = f.api.UpdateRule(ctx, &deliveryv1.UpdateRuleRequest{Rule: rule, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"*"}}})
		requireField(t, err, c.reason, c.field, c.says)
	}
	_, err = f.createRule(ctx, "r", created)
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	_, err = f.createRule(ctx, "s", simpleRule(target("none")))
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)
	_, err = f.api.CreateRule(ctx, &deliveryv1.CreateRuleRequest{Parent: "projects/p/buses/none", RuleId: "s", Rule: simpleRule()})
	requireError(t, err, codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)

	updated, err := f.api.UpdateRule(ctx, &deliveryv1.UpdateRuleRequest{Rule: &deliveryv1.Rule{
		Name: created.GetName(), State: deliveryv1.Rule_ENABLED, Etag: created.GetEtag(),
	}})
	require.NoError(t, err)
	require.Equal(t, deliveryv1.Rule_ENABLED, updated.GetRule().GetState())
	require.True(t, proto.Equal(full, updated.GetRule().GetTargets()[0]))
	require.NotEqual(t, created.GetEtag(), updated.GetRule().GetEtag())
	_, err = f.api.DeleteRule(ctx, &deliveryv1.DeleteRuleRequest{Name: created.GetName(), Etag: created.GetEtag()})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err = f.api.DeleteRule(ctx, &deliveryv1.DeleteRuleRequest{Name: created.GetName()})
	require.NoError(t, err)
	_, err = f.api.GetRule(ctx, &deliveryv1.GetRuleRequest{Name: created.GetName()})
	requireError(t, err, codes.NotFound, errorsv1.Reason_RULE_NOT_FOUND)
}

func transformed(template, name, path string) func(*deliveryv1.Rule) {
	return func(r *deliveryv1.Rule) {
		r.Targets[0].InputPath = ""
		r.Targets[0].InputTransformer = &deliveryv1.InputTransformer{
			InputPathsMap: map[string]string{name: path}, InputTemplate: template,
		}
	}
}

func deadTo(action deliveryv1.DeadLetterPolicy_Action, bus string) func(*deliveryv1.Rule) {
	return func(r *deliveryv1.Rule) {
		r.Targets[0].DeadLetter = &deliveryv1.DeadLetterPolicy{Action: action, Bus: bus}
	}
}

// TestTargetInputs: what shapes the body comes back as it was given.
func TestTargetInputs(t *testing.T) {
	f := newFixture(t)
	f.destination(t, "d", nil)
	for i, change := range []func(*deliveryv1.Rule){
		transformed(`{"a":<b>}`, "b", "$.x"),
		func(r *deliveryv1.Rule) { r.Targets[0].Input = `{ "a": 1.0 }` },
		deadTo(deliveryv1.DeadLetterPolicy_PUT_EVENT, standard),
		deadTo(deliveryv1.DeadLetterPolicy_DISCARD, ""),
		func(r *deliveryv1.Rule) { r.Targets[0].Grant = "$.detail.user" },
		func(r *deliveryv1.Rule) { r.Targets[0].Batch = &deliveryv1.Batching{} },
		func(r *deliveryv1.Rule) {
			r.Targets[0].Batch = &deliveryv1.Batching{MaxEvents: 500, MaxWindow: durationpb.New(5 * time.Minute), MaxBytes: 1 << 20}
		},
	} {
		rule := simpleRule(target("d"))
		change(rule)
		created, err := f.createRule(t.Context(), fmt.Sprintf("r%d", i), rule)
		require.NoError(t, err)
		require.True(t, proto.Equal(rule.GetTargets()[0], created.GetTargets()[0]), "%v", created)
		read, err := f.api.GetRule(t.Context(), &deliveryv1.GetRuleRequest{Name: created.GetName()})
		require.NoError(t, err)
		require.True(t, proto.Equal(created, read.GetRule()), "%v", read)
	}
}
