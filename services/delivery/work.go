package delivery

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
	"github.com/freshet-io/freshet/services/delivery/shape"
)

const (
	// keepFor is how long a retry is kept in memory; one that is due later is backlog until then.
	keepFor = 5 * time.Second
	// recordPause is the time between attempts to record an outcome while the store does not answer.
	recordPause   = 500 * time.Millisecond
	recordTimeout = 10 * time.Second
)

// work takes one delivery a step further: it makes one attempt, or finds that none is to be made.
func (s *Service) work(ctx context.Context, name DestinationName, d *Delivery, free func()) dispatch.Again {
	lane, err := s.lane(ctx, name)
	if err != nil {
		return dispatch.Again{Keep: true, At: time.Now().Add(lookAgain)}
	}
	now := s.stamp()
	if lane.missing {
		d.State, d.EndTime = Cancelled, now
		return s.record(ctx, d, nil, free)
	}
	holder, err := d.holder(lane.destination.Connection)
	if err != nil {
		return s.unnamed(ctx, d, err, now, free)
	}
	var credential *Credential
	if lane.byGrant {
		credential = s.credentialOf(ctx, holder)
		now = s.stamp()
	} else {
		credential, _ = s.credentials.Current(holder)
	}
	if !now.Before(d.ExpireTime) {
		return s.record(ctx, d, s.overdue(d, lane, credential, now), free)
	}
	if again := lane.heldUp(credential, now); again.Keep {
		return again
	}
	if !credential.Usable(now) {
		return s.wait(ctx, d, now, free)
	}
	attempt, payload, err := s.attempt(ctx, d, lane, credential)
	if err != nil {
		return s.unproven(ctx, lane, credential, err)
	}
	if ctx.Err() != nil && attempt.Class != NoFailure { // cut off at the end of the process: whoever is next begins anew
		return dispatch.Again{}
	}
	s.learn(ctx, lane, holder, credential, attempt, free)
	d.after(attempt, payload, s.stamp())
	return s.record(ctx, d, attempt, free)
}

// heldUp says when to look again at what no attempt may be made for yet: to be kept until then. A lane of grants goes on for others, so that
// what lacks a credential is not held up, but put off.
func (l *laneState) heldUp(c *Credential, now time.Time) dispatch.Again {
	refused := !l.waits(c.Fingerprint, now).IsZero()
	switch held := l.destination.Pause.IsSet() || !l.holds(now).IsZero(); {
	case held, !l.byGrant && (refused || !c.Usable(now)):
		return dispatch.Again{Keep: true, At: time.Now()} // the gate closes
	case refused:
		return dispatch.Again{Keep: true, At: time.Now().Add(lookAgain)}
	}
	return dispatch.Again{}
}

// learn notes what an attempt tells of the destination and of the credential.
func (s *Service) learn(ctx context.Context, lane *laneState, holder string, c *Credential, a *Attempt, free func()) {
	s.judge(ctx, lane, a)
	free()
	if a.Class != Unauthorized {
		return
	}
	lane.refuse(c.Fingerprint, s.now())
	if err := s.credentials.Reject(ctx, holder, c.Fingerprint); err != nil {
		s.logger.WarnContext(ctx, "a refused credential could not be reported", "of", holder, "error", err)
	}
}

// unproven is what follows from an attempt that could not be made for want of a proof of possession: it has to wait, and costs nothing. The
// next credential, if that is what it takes, is on its way here.
func (s *Service) unproven(ctx context.Context, lane *laneState, c *Credential, err error) dispatch.Again {
	switch {
	case ctx.Err() != nil:
		return dispatch.Again{}
	case errors.Is(err, ErrSuperseded):
		lane.refuse(c.Fingerprint, s.now())
		return dispatch.Again{Keep: true, At: time.Now()}
	default:
		s.logger.WarnContext(ctx, "no proof for a request with a bound credential", "connection", lane.destination.Connection, "error", err)
		return dispatch.Again{Keep: true, At: time.Now().Add(lookAgain)}
	}
}

// overdue ends a delivery whose time is over. Where there was no credential for it, the attempt that could not be made is returned, for
// the history. lane and c are nil where they are not known.
func (s *Service) overdue(d *Delivery, lane *laneState, c *Credential, now time.Time) *Attempt {
	payload, _ := d.payload(d.Event.Envelope())
	if why, code := held(lane); why != "" {
		d.expire(string(payload), why, code, now)
		return nil
	}
	if c == nil || c.Usable(now) {
		d.expire(string(payload), "the destination's rate limit left no room within the event's maximum age", Throttling, now)
		return nil
	}
	reason := "the connection had no valid credential within the event's maximum age"
	if d.Target.Grant != "" {
		reason = "the grant had no valid credential within the event's maximum age"
	}
	if c.Reason != "" {
		reason += ": " + c.Reason
	}
	d.expire(string(payload), reason, NoPermissions, now)
	d.Attempts++
	return &Attempt{Number: d.Attempts, StartTime: now, Class: NoCredential, Message: clip(reason)}
}

// held says why a lane does not work by itself; empty if it does.
func held(lane *laneState) (why string, code ErrorCode) {
	if lane == nil {
		return "", NoError
	}
	if lane.destination.Pause.IsSet() {
		return "the destination was paused until the event was too old", Throttling
	}
	if c := lane.circuit(); c.IsOpen() {
		return "the destination's circuit was open until the event was too old: " + c.Reason, c.Code
	}
	return "", NoError
}

// attempt makes one request and returns what became of it, and the body without what the connection added. The error is that of the
// credential's proof, without which there is no attempt.
func (s *Service) attempt(ctx context.Context, d *Delivery, lane *laneState, c *Credential) (*Attempt, string, error) {
	ctx, span := s.startAttempt(ctx, d, c)
	defer span.End()
	a := &Attempt{Number: d.Attempts + 1, StartTime: s.stamp(), TokenGeneration: c.Generation}
	if sc := span.SpanContext(); sc.HasTraceID() {
		a.TraceID = sc.TraceID().String()
	}
	logs := s.logConfig(ctx, BusName{d.ID.Project, d.Event.Bus})
	s.logStart(ctx, logs, d, a)
	begin := time.Now()
	var envelope []byte
	if d.wantsEnvelope() {
		envelope = d.Event.Envelope()
	}
	payload, err := d.payload(envelope)
	var request Request
	if err == nil {
		request, err = s.request(ctx, d, lane, c, envelope, payload)
	}
	if err != nil {
		a.Class, a.Message, a.NoJSON = InvalidRequest, clip(err.Error()), errors.Is(err, shape.ErrNotJSON)
	} else if err := s.send(ctx, lane, request, a); err != nil {
		span.SetStatus(codes.Error, "no proof of possession")
		return nil, "", err
	}
	a.Duration = time.Since(begin)
	span.SetAttributes(attribute.String("freshet.outcome", a.Class.String()))
	if a.StatusCode > 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", a.StatusCode))
	}
	if a.Class != NoFailure {
		span.SetStatus(codes.Error, a.Class.String())
	}
	s.metrics.attempted(ctx, a.Class)
	s.logAttempt(ctx, logs, d, a, payload)
	if a.Class == NoFailure {
		return a, "", nil // it is kept with what failed
	}
	return a, string(payload), nil
}

func (s *Service) send(ctx context.Context, lane *laneState, request Request, a *Attempt) error {
	response := s.sender.Send(ctx, request)
	if response.Unproven != nil {
		return response.Unproven
	}
	a.StatusCode, a.RetryAfter, a.Exchange = response.Status, response.RetryAfter, response.Exchange
	if response.Status == 0 {
		a.Class, a.Message = response.Failure, clip(response.Message)
		return nil
	}
	if a.Class = lane.destination.Statuses.classify(response.Status); a.Class != NoFailure {
		a.Excerpt = response.Excerpt
		a.Message = clip(statusMessage(response.Status, response.Excerpt))
	}
	if response.Challenged {
		a.Class = RetryableStatus // not the credential was refused, but its proof's nonce
	}
	return nil
}

// startAttempt starts the span of an attempt: in the trace of the call that put the event, linked to the refresh cycle that made its
// credential.
func (s *Service) startAttempt(ctx context.Context, d *Delivery, c *Credential) (context.Context, trace.Span) {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient)}
	if refresh := spanContext(c.Traceparent); refresh.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: refresh}))
	}
	if put := spanContext(d.Event.Traceparent); put.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, put)
	}
	ctx, span := s.tracer.Start(ctx, "delivery.attempt", options...)
	if span.IsRecording() {
		what := attribute.String("freshet.delivery", d.ID.String())
		if d.Event.ID == "" {
			what = attribute.String("freshet.batch", d.ID.Delivery)
		}
		span.SetAttributes(
			what, attribute.String("freshet.destination", d.Lane().String()),
			attribute.Int("freshet.attempt", d.Attempts+1), attribute.Int64("freshet.token.generation", c.Generation))
	}
	return ctx, span
}

// record stores an outcome, however long that takes, and says what becomes of the delivery in memory.
func (s *Service) record(ctx context.Context, d *Delivery, a *Attempt, free func()) dispatch.Again {
	free()
	if d.State == Dead {
		s.deadLetter(ctx, d)
	}
	var again dispatch.Again
	stored := *d
	if d.State == Pending {
		again = dispatch.Again{At: d.NextAttempt, Keep: d.NextAttempt.Sub(s.now()) <= keepFor}
		if !again.Keep {
			stored.Owner = ""
		}
	} else {
		stored.Owner = ""
	}
	for {
		applied, err := s.recordOnce(ctx, &stored, a)
		if err == nil {
			if !applied {
				return dispatch.Again{} // ended or taken over meanwhile
			}
			if d.State != Pending {
				s.metrics.ended(ctx, d)
				s.logEnd(ctx, d, a)
				if d.Group != "" {
					s.dispatcher.Wake(d.Lane(), s.now()) // for the next of its group
				}
			}
			return again
		}
		s.logger.WarnContext(ctx, "an attempt cannot be recorded yet", "delivery", d.ID.String(), "error", err)
		select {
		case <-ctx.Done():
			return dispatch.Again{}
		case <-time.After(recordPause):
		}
	}
}

// recordOnce is not cut off with the attempts at the end of the process: what was achieved is to be known.
func (s *Service) recordOnce(ctx context.Context, d *Delivery, a *Attempt) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return s.store.Record(ctx, s.owner, d, a)
}
