package delivery

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
	"github.com/freshet-io/freshet/services/delivery/shape"
)

// A delivery that lacks a credential where its lane goes on, because others have theirs, waits for a while that grows with how long it has
// waited. Less is spent on users who never come back, and more on those who do soon.
const (
	shortestWait = 6 * time.Second // more than keepFor: it waits in the backlog
	longestWait  = time.Minute
	// firstNews is how long an attempt waits to hear of a credential for the first time.
	firstNews = time.Second
)

// grantID is the last part of a grant's name.
var grantID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// holder is the resource name of what has the delivery's credential: the connection, or the grant under it that the target takes from the
// event. The error is for people.
func (d *Delivery) holder(connection string) (string, error) {
	name := ConnectionName(d.ID.Project, connection)
	if d.Target.Grant == "" {
		return name, nil
	}
	p, err := shape.ParseParameter(d.Target.Grant)
	if err != nil {
		return "", err
	}
	id := p.Value(d.Event.Envelope())
	switch {
	case id == "":
		return "", fmt.Errorf("the event names no grant at %s", d.Target.Grant)
	case !grantID.MatchString(id):
		return "", fmt.Errorf("what the event has at %s is no id of a grant: want letters, digits, ., - and _, at most 64", d.Target.Grant)
	}
	return name + "/grants/" + id, nil
}

func checkGrant(t *Target) error {
	if t.Grant == "" {
		return nil
	}
	p, err := shape.ParseParameter(t.Grant)
	if err != nil || p.IsPath() || grantID.MatchString(t.Grant) {
		return err
	}
	return fmt.Errorf("must be a JSON path, or an id of a grant: letters, digits, ., - and _, at most 64")
}

// byGrant tells whether targets of the destination deliver with credentials of grants, so that its lane does not wait for that of its
// connection.
func (s *Service) byGrant(ctx context.Context, name DestinationName) (bool, error) {
	rules, err := s.store.RulesOf(ctx, name)
	for i := range rules {
		for _, t := range rules[i].Targets {
			if t.Destination == name.Destination && t.Grant != "" {
				return true, err
			}
		}
	}
	return false, err
}

// forgetLanes makes the lanes of a rule's destinations learn whether grants are used.
func (s *Service) forgetLanes(project string, targets []Target) {
	for i := range targets {
		if targets[i].Grant != "" {
			s.forgetLane(&DestinationName{project, targets[i].Destination})
		}
	}
}

// credentialOf returns what is known of a holder's credential. Of one that nobody has asked for lately, it waits a moment for the news.
func (s *Service) credentialOf(ctx context.Context, holder string) *Credential {
	credential, changed := s.credentials.Current(holder)
	if credential.State != CredentialUnknown {
		return credential
	}
	timer := time.NewTimer(firstNews)
	defer timer.Stop()
	select {
	case <-changed:
		credential, _ = s.credentials.Current(holder)
	case <-timer.C:
	case <-ctx.Done():
	}
	return credential
}

// wait puts a delivery back that has no credential of its own, at no cost of an attempt.
func (s *Service) wait(ctx context.Context, d *Delivery, now time.Time, free func()) dispatch.Again {
	d.NextAttempt = now.Add(d.wait(now))
	return s.record(ctx, d, nil, free)
}

func (d *Delivery) wait(now time.Time) time.Duration {
	return min(max(now.Sub(d.CreateTime)/2, shortestWait), longestWait)
}

// unnamed ends a delivery whose event names no grant.
func (s *Service) unnamed(ctx context.Context, d *Delivery, why error, now time.Time, free func()) dispatch.Again {
	payload, _ := d.payload(d.Event.Envelope())
	a := &Attempt{Number: d.Attempts + 1, StartTime: now, Class: InvalidRequest, Message: clip(why.Error())}
	d.after(a, string(payload), now)
	return s.record(ctx, d, a, free)
}
