package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// lastCall is how long tasks have to notice that the grace is over.
const lastCall = time.Second

// Task is a part that runs as long as the process serves.
type Task struct {
	// Name is for errors: "token rpc", "delivery dispatcher".
	Name string
	// Run works until ctx ends and returns nil or ctx's error then. An error
	// before that stops all tasks; nil before that means that the task is done,
	// and stops nobody.
	Run func(ctx context.Context) error
}

// Run starts the tasks in order and returns when all have ended.
//
// When ctx ends or a task fails, the tasks are stopped one after the other, the
// last started first, each when the one before has returned; so a task can rely
// to its end on those before it. ctx itself is not seen by tasks, only its
// values; the cause of the end of a task's context is the first task's error or
// the cause of ctx's end.
//
// Stopping takes at most grace. When that is over, the contexts of all tasks
// that are left end at once, and a second later Run returns, with an error that
// names those still running.
//
// The error joins the failures of all tasks, each with its task's name; panics
// are failures and bring their stack. It is nil when ctx ended and every task
// returned nil or its context's error.
func Run(ctx context.Context, grace time.Duration, tasks ...Task) error {
	ended := make(chan *running, len(tasks))
	all := make([]*running, 0, len(tasks))
	for _, task := range tasks {
		all = append(all, start(ctx, task, ended))
	}
	cause := waitForCause(ctx, ended, len(all))
	stop(all, grace, cause)

	var errs []error
	for _, r := range all {
		errs = append(errs, r.outcome(cause))
	}
	return errors.Join(errs...)
}

// waitForCause returns why the tasks must stop: nil when they all just ended.
func waitForCause(ctx context.Context, ended <-chan *running, n int) error {
	for range n {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-ended:
			if r.err != nil {
				return fmt.Errorf("%s: %w", r.task.Name, r.err)
			}
		}
	}
	return nil
}

// stop ends the tasks in reverse, and returns when all have returned or time is
// over.
func stop(all []*running, grace time.Duration, cause error) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for i, last := range slices.Backward(all) {
		last.cancel(cause)
		select {
		case <-last.done:
			continue
		case <-timer.C:
		}
		// Time is over: everybody at once.
		for _, r := range all[:i] {
			r.cancel(cause)
		}
		timer.Reset(lastCall)
		for _, r := range all[:i+1] {
			select {
			case <-r.done:
			case <-timer.C:
				return
			}
		}
		return
	}
}

// running is a started task.
type running struct {
	task   Task
	cancel context.CancelCauseFunc
	done   chan struct{}
	// Valid once done is closed: what Run returned, and whether it had been told
	// to stop by then.
	err  error
	told bool
}

func start(parent context.Context, task Task, ended chan<- *running) *running {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	r := &running{task: task, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer func() {
			r.told = ctx.Err() != nil
			cancel(nil)
			close(r.done)
			ended <- r
		}()
		r.err = errors.New("ended without returning") // runtime.Goexit
		r.err = protect(ctx, task.Run)
	}()
	return r
}

// protect runs f and makes its panic an error.
func protect(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return f(ctx)
}

// outcome is the task's failure, nil if it has none.
func (r *running) outcome(cause error) error {
	select {
	case <-r.done:
	default:
		return fmt.Errorf("%s: still running after the grace period", r.task.Name)
	}
	if r.err == nil || r.told && (errors.Is(r.err, context.Canceled) || errors.Is(r.err, cause)) {
		return nil
	}
	return fmt.Errorf("%s: %w", r.task.Name, r.err)
}
