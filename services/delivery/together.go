package delivery

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
	"github.com/freshet-io/freshet/services/delivery/shape"
)

// member is a delivery of a batch that is at work.
type member struct {
	*Delivery
	body    string // what it would be sent alone
	element []byte
	attempt *Attempt
	stays   *dispatch.Again // nothing is recorded of it
}

// workTogether takes the deliveries of a batch a step further, as work does with one: it makes one attempt for all, or finds that none is to
// be made. What ends one of them alone does not end the others.
func (s *Service) workTogether(ctx context.Context, name DestinationName, list []*Delivery, free func()) []dispatch.Again {
	members := make([]*member, len(list))
	for i, d := range list {
		members[i] = &member{Delivery: d}
	}
	if lane, err := s.lane(ctx, name); err != nil {
		stay(members, dispatch.Again{Keep: true, At: time.Now().Add(lookAgain)})
	} else {
		s.stepTogether(ctx, lane, members, free)
	}
	return s.recordTogether(ctx, members, free)
}

func stay(members []*member, again dispatch.Again) {
	for _, m := range members {
		m.stays = &again
	}
}

// stepTogether sets what becomes of each member.
func (s *Service) stepTogether(ctx context.Context, lane *laneState, members []*member, free func()) {
	now := s.stamp()
	if lane.missing {
		for _, m := range members {
			m.State, m.EndTime = Cancelled, now
		}
		return
	}
	holder := ConnectionName(lane.destination.Name.Project, lane.destination.Connection)
	credential, _ := s.credentials.Current(holder)
	members = slices.DeleteFunc(slices.Clone(members), func(m *member) bool {
		if now.Before(m.ExpireTime) {
			return false
		}
		m.attempt = s.overdue(m.Delivery, lane, credential, now)
		return true
	})
	if again := lane.heldUp(credential, now); again.Keep {
		stay(members, again)
		return
	}
	if !credential.Usable(now) {
		for _, m := range members {
			m.NextAttempt = now.Add(members[0].wait(now))
		}
		return
	}
	members = slices.DeleteFunc(members, func(m *member) bool { return m.unshaped(now) })
	if len(members) > 0 {
		s.attemptTogether(ctx, lane, holder, credential, members, free)
	}
}

// unshaped ends a member that has no body.
func (m *member) unshaped(now time.Time) bool {
	body, element, err := m.Delivery.element()
	m.body, m.element = string(body), element
	if err == nil {
		return false
	}
	m.attempt = &Attempt{
		Number: m.Attempts + 1, StartTime: now, Class: InvalidRequest, Message: clip(err.Error()), NoJSON: errors.Is(err, shape.ErrNotJSON),
	}
	m.after(m.attempt, m.body, now)
	return true
}

// attemptTogether makes one request for all members.
func (s *Service) attemptTogether(
	ctx context.Context, lane *laneState, holder string, c *Credential, members []*member, free func(),
) {
	whole := parcel(members)
	whole.CreateTime, whole.NextAttempt = members[0].CreateTime, s.stamp() // the wait for company is no throttling
	attempt, _, err := s.attempt(ctx, whole, lane, c)
	if err != nil {
		stay(members, s.unproven(ctx, lane, c, err))
		return
	}
	if ctx.Err() != nil && attempt.Class != NoFailure { // as in work
		stay(members, dispatch.Again{})
		return
	}
	s.learn(ctx, lane, holder, c, attempt, free)
	for _, m := range members {
		own := *attempt
		own.Number, own.Batch, own.BatchSize = m.Attempts+1, whole.ID.Delivery, len(members)
		m.attempt = &own
		m.charge(&own)
	}
	// One delay, so that they stay together.
	delay := slices.MaxFunc(members, func(a, b *member) int { return a.Charged - b.Charged }).delay(attempt)
	now := s.stamp()
	for _, m := range members {
		payload := m.body
		if attempt.Class == NoFailure {
			payload = ""
		}
		m.settle(m.attempt, payload, now, delay)
	}
}

// parcel is the delivery that stands for a batch. Its id depends on the members alone: the same ones have the same, also after a restart.
func parcel(members []*member) *Delivery {
	slices.SortFunc(members, func(a, b *member) int { return strings.Compare(a.ID.Delivery, b.ID.Delivery) })
	var body strings.Builder
	ids := []string{"batch"}
	for i, m := range members {
		body.WriteByte("[,"[min(i, 1)])
		body.Write(m.element)
		ids = append(ids, m.ID.Delivery)
	}
	body.WriteByte(']')
	first, text := members[0], body.String()
	whole := &Delivery{
		ID: ID{first.ID.Project, digest(ids...)}, Rule: first.Rule, Target: first.Target, Destination: first.Destination,
		Event: &Event{Project: first.ID.Project, Bus: first.Event.Bus, Traceparent: first.Event.Traceparent}, Attempts: first.Attempts,
	}
	whole.Target.Body = &text
	return whole
}

// recordTogether stores what became of each; the store takes what comes at the same time in one transaction.
func (s *Service) recordTogether(ctx context.Context, members []*member, free func()) []dispatch.Again {
	again := make([]dispatch.Again, len(members))
	var tasks sync.WaitGroup
	for i, m := range members {
		if m.stays != nil {
			again[i] = *m.stays
			continue
		}
		tasks.Go(func() { again[i] = s.record(ctx, m.Delivery, m.attempt, free) })
	}
	tasks.Wait()
	return again
}
