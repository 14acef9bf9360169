package store

import (
	"context"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// acceptance is a call of Accept.
type acceptance struct {
	bus   delivery.BusName
	plan  delivery.Plan
	batch delivery.Batch
	page  foldedPage
}

// foldedPage is what the journal is to know once the acceptance is durable.
type foldedPage struct {
	deliveries []*delivery.Delivery
	rows       [][]any
}

// Accept implements delivery.Events.
func (s *Store) Accept(ctx context.Context, name delivery.BusName, plan delivery.Plan) error {
	a := &acceptance{bus: name, plan: plan}
	if err := s.accepting.do(ctx, a); err != nil {
		return err
	}
	if first := a.page.deliveries; len(first) > 0 {
		s.journal.add(journalID{name.Project, first[0].ID.Delivery}, first, a.page.rows)
	}
	return nil
}

// acceptAll stores what several callers put. A statement that fails for one of them fails for all, so they are then tried one by one.
func (s *Store) acceptAll(ctx context.Context, calls []*call[*acceptance]) {
	var failed error
	err := s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		failed = s.acceptIn(ctx, tx, calls)
		return failed
	})
	if err != nil && failed != nil && len(calls) > 1 && !sqldb.IsUnavailable(err) {
		for i := range calls {
			s.acceptAll(ctx, calls[i:i+1])
		}
		return
	}
	if err != nil {
		for _, c := range calls {
			c.err = err
		}
	}
}

func (s *Store) acceptIn(ctx context.Context, tx sqldb.Tx, calls []*call[*acceptance]) error {
	var events, deliveries, pages [][]any
	versions := map[delivery.BusName]string{}
	for _, c := range calls {
		a := c.item
		if c.err = a.decide(ctx, tx, versions); c.err != nil {
			continue // which leaves nothing; an error of a statement fails the next one too
		}
		if err := a.claim(ctx, tx); err != nil {
			return err
		}
		if err := lineUp(ctx, tx, a.batch.Deliveries); err != nil {
			return err
		}
		for _, e := range a.batch.Events {
			row, err := eventRow(e)
			if err != nil {
				return err
			}
			events = append(events, row)
		}
		page, rows, err := a.deliveryRows()
		if err != nil {
			return err
		}
		deliveries = append(deliveries, rows...)
		if page != nil {
			pages = append(pages, page)
		}
	}
	for _, step := range []struct {
		insertion insertion
		rows      [][]any
	}{{s.inserts.events, events}, {s.inserts.deliveries, deliveries}, {s.inserts.pages, pages}} {
		if _, err := step.insertion.run(ctx, tx, step.rows); err != nil {
			return err
		}
	}
	for _, c := range calls {
		if err := insertArchived(ctx, tx, c.item.batch.Archived); err != nil {
			return err
		}
	}
	return nil
}

// decide asks what is to be stored.
func (a *acceptance) decide(ctx context.Context, tx sqldb.Tx, versions map[delivery.BusName]string) (err error) {
	a.batch, a.page = delivery.Batch{}, foldedPage{}
	version, known := versions[a.bus]
	if !known {
		if version, err = rulesVersion(ctx, tx, a.bus); err != nil {
			return err
		}
		versions[a.bus] = version
	}
	batch, err := a.plan(version, func() (delivery.RuleSet, error) { return ruleSet(ctx, tx, a.bus, version) })
	if err == nil {
		a.batch = batch
	}
	return err
}

// claim makes sure that nobody has stored this before, as far as the batch asks for that. An error leaves part of it to be undone.
func (a *acceptance) claim(ctx context.Context, tx sqldb.Tx) error {
	if len(a.batch.Keys) > 0 {
		if err := claimKeys(ctx, tx, a.bus, a.batch.Keys); err != nil {
			return err
		}
	}
	if a.batch.Tick != nil {
		return passTick(ctx, tx, a.batch.Tick)
	}
	return nil
}

// deliveryRows returns the rows of deliveries that are backlog, and a page of the journal for those that an instance has in memory.
func (a *acceptance) deliveryRows() (page []any, rows [][]any, err error) {
	var targets encodedTargets
	for _, d := range a.batch.Deliveries {
		target, err := targets.encode(d)
		if err != nil {
			return nil, nil, err
		}
		row := deliveryRow(d, target)
		if d.Owner == "" {
			rows = append(rows, row)
			continue
		}
		a.page.deliveries = append(a.page.deliveries, d)
		a.page.rows = append(a.page.rows, row)
	}
	if len(a.page.rows) == 0 {
		return nil, rows, nil
	}
	text, err := fold(a.page.rows)
	first := a.page.deliveries[0]
	return []any{first.ID.Project, first.ID.Delivery, first.Owner, text}, rows, err
}

func eventRow(e *delivery.Event) ([]any, error) {
	resources, err := encodeResources(e.Resources)
	return []any{
		e.Project, e.ID, e.Bus, e.Source, e.DetailType, e.Detail, resources, micros(e.Time), micros(e.IngestionTime), e.Traceparent,
		e.Replay,
	}, err
}

func encodeResources(resources []string) (string, error) {
	if len(resources) == 0 {
		return "[]", nil
	}
	return encode(resources)
}

// deliveryRow is a delivery as insertion has it, with its encoded target. Pages of the journal keep it: a new column comes last and has a
// default.
func deliveryRow(d *delivery.Delivery, target string) []any {
	return []any{
		d.ID.Project, d.ID.Delivery, d.Event.ID, d.Event.Bus, d.Rule, d.Target.ID, d.Destination, target, int64(d.State), d.Owner,
		micros(d.CreateTime), micros(d.NextAttempt), micros(d.ExpireTime), micros(d.EndTime), d.Target.Retry.Lifetime().Microseconds(),
		int64(d.Attempts), int64(d.Charged), number(d.AuthForgiven), int64(d.ErrorCode), d.ErrorMessage, int64(d.Condition), d.Payload,
		int64(d.Redrives),
	}
}

// encodedTargets has those of one batch, whose deliveries to a target of a rule all have the same, but for their groups.
type encodedTargets map[[3]string]string

func (t *encodedTargets) encode(d *delivery.Delivery) (string, error) {
	key := [3]string{d.Rule, d.Target.ID, d.Group}
	if text, ok := (*t)[key]; ok {
		return text, nil
	}
	text, err := encodeTarget(d)
	if *t == nil {
		*t = encodedTargets{}
	}
	(*t)[key] = text
	return text, err
}
