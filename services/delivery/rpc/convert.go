package rpc

import (
	"fmt"
	"maps"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

// timestamp leaves out the zero time.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func fromBus(b *delivery.Bus) *deliveryv1.Bus {
	return &deliveryv1.Bus{
		Name: b.Name.String(), Description: b.Description, Etag: b.Etag, DeduplicateContent: b.Settings.DeduplicateContent,
		Retention: fromRetention(b.Settings.Retention), LogConfig: fromLog(b.Settings.Log),
		CreateTime: timestamp(b.CreateTime), UpdateTime: timestamp(b.UpdateTime), SizeBytes: b.Bytes,
	}
}

func fromRule(r *delivery.Rule) *deliveryv1.Rule {
	m := &deliveryv1.Rule{
		Name: r.Name.String(), Description: r.Description, EventPattern: r.EventPattern, State: deliveryv1.Rule_ENABLED,
		CreateTime: timestamp(r.CreateTime), UpdateTime: timestamp(r.UpdateTime), Etag: r.Etag,
	}
	if r.Disabled {
		m.State = deliveryv1.Rule_DISABLED
	}
	for i := range r.Targets {
		m.Targets = append(m.Targets, fromTarget(&r.Targets[i], r.Name.Project))
	}
	return m
}

func fromTarget(t *delivery.Target, project string) *deliveryv1.Target {
	m := &deliveryv1.Target{
		Id: t.ID, Destination: delivery.DestinationName{Project: project, Destination: t.Destination}.String(),
		PathParameterValues: t.PathParameters, HeaderParameters: t.Headers, QueryStringParameters: t.QueryParameters,
		Input: t.Input, InputPath: t.InputPath, MessageGroupPath: t.GroupPath, Grant: t.Grant,
	}
	m.Batch = fromBatching(t.Batch)
	if t.Transformer != nil {
		m.InputTransformer = &deliveryv1.InputTransformer{InputPathsMap: t.Transformer.Paths, InputTemplate: t.Transformer.Template}
	}
	if t.DeadLetter.Action != 0 {
		m.DeadLetter = &deliveryv1.DeadLetterPolicy{Action: deliveryv1.DeadLetterPolicy_Action(t.DeadLetter.Action)}
	}
	if t.DeadLetter.Bus != "" {
		m.DeadLetter.Bus = delivery.BusName{Project: project, Bus: t.DeadLetter.Bus}.String()
	}
	if t.Retry.Retries != nil || t.Retry.MaxAge != 0 {
		m.RetryPolicy = &deliveryv1.RetryPolicy{}
	}
	if t.Retry.Retries != nil {
		retries := int32(*t.Retry.Retries) // at most 185
		m.RetryPolicy.MaximumRetryAttempts = &retries
	}
	if t.Retry.MaxAge != 0 {
		m.RetryPolicy.MaximumEventAge = durationpb.New(t.Retry.MaxAge)
	}
	return m
}

// setRule sets what a caller can change.
func setRule(r *delivery.Rule, m *deliveryv1.Rule) error {
	r.Description, r.EventPattern = m.GetDescription(), m.GetEventPattern()
	r.Disabled = m.GetState() == deliveryv1.Rule_DISABLED
	r.Targets = nil
	for i, t := range m.GetTargets() {
		target, err := toTarget(fmt.Sprintf("rule.targets[%d]", i), t, r.Name.Project)
		if err != nil {
			return err
		}
		r.Targets = append(r.Targets, target)
	}
	return nil
}

func toTarget(at string, t *deliveryv1.Target, project string) (delivery.Target, error) {
	destination, err := sibling(at+".destination", t.GetDestination(), project, "destinations")
	if err != nil {
		return delivery.Target{}, err
	}
	target := delivery.Target{
		ID: t.GetId(), Destination: destination, PathParameters: t.GetPathParameterValues(),
		Headers: maps.Clone(t.GetHeaderParameters()), QueryParameters: maps.Clone(t.GetQueryStringParameters()),
		Input: t.GetInput(), InputPath: t.GetInputPath(), GroupPath: t.GetMessageGroupPath(), Grant: t.GetGrant(),
		DeadLetter: delivery.DeadLetter{Action: delivery.DeadLetterAction(t.GetDeadLetter().GetAction())},
	}
	target.Batch = toBatching(t.GetBatch())
	if in := t.GetInputTransformer(); in != nil {
		target.Transformer = &delivery.Transformer{Paths: maps.Clone(in.GetInputPathsMap()), Template: in.GetInputTemplate()}
	}
	if name := t.GetDeadLetter().GetBus(); name != "" {
		if target.DeadLetter.Bus, err = sibling(at+".dead_letter.bus", name, project, "buses"); err != nil {
			return delivery.Target{}, err
		}
	}
	if p := t.GetRetryPolicy(); p != nil {
		if p.MaximumRetryAttempts != nil {
			retries := int(p.GetMaximumRetryAttempts())
			target.Retry.Retries = &retries
		}
		target.Retry.MaxAge = p.GetMaximumEventAge().AsDuration()
	}
	return target, nil
}

func fromDestination(d *delivery.Destination) *deliveryv1.Destination {
	m := &deliveryv1.Destination{
		Name: d.Name.String(), Description: d.Description, Endpoint: d.Endpoint,
		Connection: delivery.ConnectionName(d.Name.Project, d.Connection),
		HttpMethod: deliveryv1.Destination_HttpMethod(deliveryv1.Destination_HttpMethod_value[d.Method]),
		// The limit is at most 300.
		RateLimitPerSecond: int32(d.RateLimit), Timeout: durationpb.New(d.Timeout),
		State: deliveryv1.Destination_INACTIVE, CreateTime: timestamp(d.CreateTime), UpdateTime: timestamp(d.UpdateTime), Etag: d.Etag,
		UnlimitedRate: d.Unlimited, MaxConcurrency: int32(d.MaxConcurrency), // at most 1000
		AttemptDetail:             deliveryv1.Destination_AttemptDetail(d.Detail), // 1 to 3
		ExtraUnauthorizedStatuses: numbers[int32](d.Statuses.Unauthorized), RetryableStatuses: numbers[int32](d.Statuses.Retryable),
		PermanentStatuses: numbers[int32](d.Statuses.Permanent), IdempotencyHeader: d.IdempotencyHeader,
	}
	if d.Active {
		m.State = deliveryv1.Destination_ACTIVE
	}
	setHolds(m, d)
	return m
}

// setDestination sets what a caller can change.
func setDestination(d *delivery.Destination, m *deliveryv1.Destination) error {
	connection, err := sibling("destination.connection", m.GetConnection(), d.Name.Project, "connections")
	if err != nil {
		return err
	}
	d.Description, d.Connection, d.Endpoint = m.GetDescription(), connection, m.GetEndpoint()
	d.Method = ""
	if method := m.GetHttpMethod(); method != deliveryv1.Destination_HTTP_METHOD_UNSPECIFIED {
		d.Method = method.String()
	}
	d.RateLimit, d.Timeout = int(m.GetRateLimitPerSecond()), m.GetTimeout().AsDuration()
	d.Unlimited, d.MaxConcurrency = m.GetUnlimitedRate(), int(m.GetMaxConcurrency())
	d.Breaker = toBreaker(m.GetCircuitBreaker())
	d.Detail = delivery.Detail(m.GetAttemptDetail())
	d.Statuses = delivery.Statuses{
		Unauthorized: numbers[int](m.GetExtraUnauthorizedStatuses()), Retryable: numbers[int](m.GetRetryableStatuses()),
		Permanent: numbers[int](m.GetPermanentStatuses()),
	}
	d.IdempotencyHeader = m.GetIdempotencyHeader()
	return nil
}

// numbers converts small numbers.
func numbers[To, From int | int32](list []From) []To {
	if len(list) == 0 {
		return nil
	}
	out := make([]To, len(list))
	for i, n := range list {
		out[i] = To(n)
	}
	return out
}

func fromEvent(e *delivery.Event) *deliveryv1.Event {
	return &deliveryv1.Event{
		Id: e.ID, Bus: delivery.BusName{Project: e.Project, Bus: e.Bus}.String(), Source: e.Source, DetailType: e.DetailType,
		Detail: e.Detail, Resources: e.Resources, Time: timestamp(e.Time), IngestionTime: timestamp(e.IngestionTime),
		Replay: replayName(e.Project, e.Replay),
	}
}

func fromDelivery(d *delivery.Delivery) *deliveryv1.Delivery {
	m := &deliveryv1.Delivery{
		Name: d.ID.String(), State: deliveryv1.Delivery_State(d.State), Event: fromEvent(d.Event), Target: d.Target.ID,
		Rule:        delivery.RuleName{Project: d.ID.Project, Bus: d.Event.Bus, Rule: d.Rule}.String(),
		Destination: d.Lane().String(), AttemptCount: int32(d.Attempts), RetryCount: int32(d.Retries()),
		CreateTime: timestamp(d.CreateTime), ExpireTime: timestamp(d.ExpireTime), EndTime: timestamp(d.EndTime),
		RedriveCount: int32(d.Redrives), MessageGroup: d.Group, BodyEdited: d.Target.Body != nil,
	}
	switch d.State {
	case delivery.Pending:
		if !d.IsBehind() {
			m.NextAttemptTime = timestamp(d.NextAttempt)
		}
	case delivery.Dead:
		m.ErrorCode, m.ErrorMessage = deliveryv1.Delivery_ErrorCode(d.ErrorCode), d.ErrorMessage
		m.ExhaustedRetryCondition = deliveryv1.Delivery_ExhaustedRetryCondition(d.Condition)
		m.Payload = d.Payload
	case delivery.Delivering, delivery.Succeeded, delivery.Cancelled:
	}
	for i := range d.History {
		m.Attempts = append(m.Attempts, fromAttempt(&d.History[i]))
	}
	return m
}

func fromAttempt(a *delivery.Attempt) *deliveryv1.Attempt {
	m := &deliveryv1.Attempt{
		Number: int32(a.Number), StartTime: timestamp(a.StartTime), Duration: durationpb.New(a.Duration),
		StatusCode: int32(a.StatusCode), ErrorClass: deliveryv1.Attempt_ErrorClass(a.Class), ErrorMessage: a.Message,
		TokenGeneration: a.TokenGeneration, ResponseExcerpt: a.Excerpt, TraceId: a.TraceID,
		Batch: a.Batch, BatchSize: int32(a.BatchSize), // at most 500
	}
	if a.RetryAfter != nil {
		m.RetryAfter = durationpb.New(*a.RetryAfter)
	}
	setExchange(m, a.Exchange)
	return m
}

func toEntries(list []*deliveryv1.PutEventsRequestEntry) []delivery.Entry {
	entries := make([]delivery.Entry, len(list))
	for i, m := range list {
		entries[i] = delivery.Entry{
			Source: m.GetSource(), DetailType: m.GetDetailType(), Detail: m.GetDetail(), Resources: m.GetResources(),
			DeduplicationID: m.GetDeduplicationId(), GroupID: m.GetMessageGroupId(),
		}
		if m.GetTime() != nil {
			entries[i].Time = m.GetTime().AsTime()
		}
	}
	return entries
}
