package rehearse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// restoring is how long cleaning up may take.
const restoring = 10 * time.Second

// rehearsal is a plan that is carried out.
type rehearsal struct {
	*Plan
	consumer consumer
	states   chan received
	ended    chan error
}

// received is a state with the time at which it came.
type received struct {
	at    time.Time
	token *tokenv1.Token
}

// Run carries the plan out and calls progress with each step as it ends. The report covers what was done, also when the rehearsal is
// interrupted by the end of ctx or fails. Nothing simulated is left behind.
func (p *Plan) Run(ctx context.Context, progress func(Step)) (*Report, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	r := &rehearsal{Plan: p, states: make(chan received, 64), ended: make(chan error, 1)}
	stream, err := p.clients.Tokens.WatchToken(watching, &tokenv1.WatchTokenRequest{Name: p.Token})
	if err != nil {
		return nil, err
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		r.ended <- r.follow(watching, stream)
	}()
	defer func() { stop(); <-finished }()

	report := &Report{Token: p.Token}
	steps := append([]tokenv1.FailureClass{tokenv1.FailureClass_FAILURE_CLASS_UNSPECIFIED}, p.Classes...)
	err = r.await(ctx, p.now().Add(p.patience), func() bool { return r.consumer.last != nil })
	for _, class := range steps {
		if err != nil {
			break
		}
		var step Step
		if step, err = r.step(ctx, class); step.Name != "" {
			report.Steps = append(report.Steps, step)
			report.Without += step.Without
			progress(step)
		}
		if !step.OK() {
			break // what does not recover once is not tried again
		}
	}
	report.Interrupted = ctx.Err() != nil
	cleaned := r.restore(ctx)
	report.Clean = cleaned == nil
	if report.Interrupted {
		err = nil // said in the report
	}
	return report, errors.Join(err, cleaned)
}

// follow hands on what the stream says until it ends.
func (r *rehearsal) follow(ctx context.Context, stream tokenv1.TokenService_WatchTokenClient) error {
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		if message.GetHeartbeat() {
			continue
		}
		select {
		case r.states <- received{r.now(), message.GetToken()}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errLate means that what was waited for did not come.
var errLate = errors.New("it did not come in time")

// await follows the token until done, at the longest until the given time.
func (r *rehearsal) await(ctx context.Context, until time.Time, done func() bool) error {
	timer := time.NewTimer(until.Sub(r.now()))
	defer timer.Stop()
	for !done() {
		select {
		case state := <-r.states:
			r.consumer.observe(state.at, state.token)
		case err := <-r.ended:
			r.ended <- err
			return fmt.Errorf("the watch ended: %w", err)
		case <-timer.C:
			return errLate
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// step rehearses one failure, or with none expiry alone. The error is that of a call, not of what is rehearsed.
func (r *rehearsal) step(ctx context.Context, class tokenv1.FailureClass) (Step, error) {
	r.consumer.begin(r.now())
	step := Step{Name: "EXPIRY", Start: r.now(), From: r.consumer.last.GetGeneration()}
	failing := class != tokenv1.FailureClass_FAILURE_CLASS_UNSPECIFIED
	if failing {
		step.Name = class.String()
		if err := r.simulate(ctx, class); err != nil {
			return Step{}, err
		}
	}
	expires, err := r.expire(ctx)
	if err != nil {
		return Step{}, err
	}
	if failing {
		err = r.fail(ctx, class, expires)
	}
	next := func() bool { return r.consumer.last.GetGeneration() > step.From }
	if err == nil {
		err = r.await(ctx, expires.Add(r.patience), next)
	}
	arrived := r.now()
	r.consumer.settle(arrived)
	step.Took, step.Lead = Seconds(arrived.Sub(step.Start)), Seconds(expires.Sub(arrived))
	step.To, step.Without, step.Held = r.consumer.last.GetGeneration(), Seconds(r.consumer.without), Seconds(r.consumer.held)
	step.Refusals, step.Saw = r.consumer.failures, r.consumer.seen
	if errors.Is(err, errLate) {
		step.Problem, err = r.missing(), nil
	}
	if !next() {
		step.Lead = 0
		step.Restored = r.restore(ctx) == nil
	}
	return step, err
}

// missing says why there is no next generation.
func (r *rehearsal) missing() string {
	text := "no next generation came within " + r.patience.String() + " of expiry"
	if health := r.consumer.last.GetRefreshHealth(); health.GetLastFailureMessage() != "" {
		text += ": " + health.GetLastFailureClass().String() + ": " + health.GetLastFailureMessage()
	}
	return text
}

// fail waits until the simulated failure has shown, and ends it.
func (r *rehearsal) fail(ctx context.Context, class tokenv1.FailureClass, expires time.Time) error {
	err := r.await(ctx, expires, func() bool { return r.consumer.last.GetRefreshHealth().GetLastFailureClass() == class })
	if err != nil && !errors.Is(err, errLate) {
		return err
	}
	return r.simulate(ctx, tokenv1.FailureClass_FAILURE_CLASS_UNSPECIFIED)
}

// simulate has requests fail, or not any more.
func (r *rehearsal) simulate(ctx context.Context, class tokenv1.FailureClass) error {
	_, err := r.clients.Tokens.SimulateFailure(ctx, &tokenv1.SimulateFailureRequest{
		Name: r.Token, FailureClass: class, Duration: durationpb.New(min(2*r.Window+r.patience, time.Hour)),
	})
	return err
}

// expire shortens the life of the generation at hand to the window and returns when it ends, by the clock of this machine: that of the
// server may differ.
func (r *rehearsal) expire(ctx context.Context) (time.Time, error) {
	before := r.now()
	answer, err := r.clients.Tokens.SimulateExpiry(ctx, &tokenv1.SimulateExpiryRequest{Name: r.Token, ExpireIn: durationpb.New(r.Window)})
	if err != nil {
		return time.Time{}, err
	}
	now := r.now()
	expires := before.Add(now.Sub(before) / 2).Add(r.Window)
	if answer.GetToken().GetExpirySource() == tokenv1.Token_SIMULATED {
		r.consumer.skew = answer.GetToken().GetExpireTime().AsTime().Sub(expires)
	} else { // it had less left
		expires = answer.GetToken().GetExpireTime().AsTime().Add(-r.consumer.skew)
	}
	return expires, nil
}

// restore ends all simulations, also after an interrupt.
func (r *rehearsal) restore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoring)
	defer cancel()
	if _, err := r.clients.Rehearsals.EndSimulations(ctx, &tokenv1.EndSimulationsRequest{Name: r.Token}); err != nil {
		return fmt.Errorf("simulations of %s could not be ended; call :endSimulations: %w", r.Token, err)
	}
	return nil
}
