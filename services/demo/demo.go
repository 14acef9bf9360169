package demo

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/cmd/freshet/manifest"
)

//go:embed manifest.yaml
var manifestText string

// counterOfExpired is freshet.token.served_expired as /metrics spells it.
const counterOfExpired = "freshet_token_served_expired_total"

// Run runs a demo: starts everything, applies the manifest, puts events until the duration is over or ctx ends, waits until they have
// arrived, stops everything, and writes the summary as the last line of the output, one JSON object. That ctx ends while events are put is
// no error.
//
// Errors: what is wrong with the configuration; what kept the demo from running; ErrFailed, with what was not as it should be.
func Run(ctx context.Context, config Config) (Summary, error) {
	config = config.withDefaults()
	if err := config.Validate(); err != nil {
		return Summary{}, err
	}
	f, err := openFolder(config.DataDir)
	if err != nil {
		return Summary{}, err
	}
	logger := f.logger()
	others, err := openOutside(ctx, &config, logger)
	if err != nil {
		return Summary{}, errors.Join(err, f.close())
	}
	summary, err := run(ctx, &config, f, others, logger)
	return summary, errors.Join(err, others.close(), f.close())
}

// demo is a demo with everything started.
type demo struct {
	config  *Config
	folder  *folder
	outside *outside
	suite   *suite
	sources sources
	board   *board
	load    *load
	journal *journal
	began   time.Time     // when the suite was started
	started time.Time     // when events began to be put
	ran     time.Duration // how long they were
}

// run runs a demo beside the given other systems.
func run(ctx context.Context, config *Config, f *folder, others *outside, logger *slog.Logger) (Summary, error) {
	d, err := start(ctx, config, f, others, logger)
	if err != nil {
		return Summary{}, err
	}
	var summary Summary
	if err = d.show(ctx); err == nil {
		summary, err = d.sumUp(ctx)
	}
	if err = errors.Join(err, d.sources.close(), d.suite.end()); err != nil {
		return summary, err
	}
	line, err := json.Marshal(summary)
	if err != nil {
		return summary, err
	}
	if _, err := config.Output.Write(append(line, '\n')); err != nil {
		return summary, err
	}
	return summary, summary.verdict(d.ran, config.TokenLifetime)
}

// start starts the suite, gives it the connections and watches their tokens, which are rotated from now on.
func start(ctx context.Context, config *Config, f *folder, others *outside, logger *slog.Logger) (*demo, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	d := &demo{config: config, folder: f, outside: others, board: newBoard(), began: time.Now()}
	var err error
	if d.suite, err = startSuite(ctx, config, f); err != nil {
		return nil, err
	}
	d.load = newLoad(deliveryv1.NewDeliveryServiceClient(d.suite.conn), config.Rate)
	d.journal = newJournal(tokenv1.NewTokenServiceClient(d.suite.conn), d.board, d.began)
	if err := d.apply(ctx, func(o manifest.Object) bool { return o.Kind == "Connection" }); err != nil {
		return nil, errors.Join(err, d.suite.end())
	}
	if d.sources, err = openSources(ctx, d.suite.conn, logger); err != nil {
		return nil, errors.Join(err, d.suite.end())
	}
	return d, nil
}

// apply applies the wanted objects of the manifest, in which the demo's servers take the place of the examples.
func (d *demo) apply(ctx context.Context, wanted func(manifest.Object) bool) error {
	text := strings.NewReplacer("https://auth.example", d.outside.authURL, "https://api.example", d.outside.apiURL).Replace(manifestText)
	objects, err := manifest.Parse(strings.NewReader(text), manifest.ParseOptions{
		Source: "manifest.yaml",
		LookupEnv: func(name string) (string, bool) {
			secret, ok := d.outside.secrets[name]
			return secret, ok
		},
	})
	if err != nil {
		return err
	}
	objects = slices.DeleteFunc(objects, func(o manifest.Object) bool { return !wanted(o) })
	_, err = manifest.Apply(ctx, manifest.Clients{
		Connection: connectionv1.NewConnectionServiceClient(d.suite.conn),
		Delivery:   deliveryv1.NewDeliveryServiceClient(d.suite.conn),
	}, objects, manifest.Options{Wait: startTime})
	return err
}

// open applies the rest of the manifest and says that everything is up.
func (d *demo) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := d.apply(ctx, func(o manifest.Object) bool { return o.Kind != "Connection" }); err != nil {
		return err
	}
	_, err := io.WriteString(d.config.Output, d.welcome(time.Since(d.began)))
	return err
}

// show puts events until it is time to stop, waits for what was accepted, and keeps everything in view meanwhile.
func (d *demo) show(ctx context.Context) error {
	// What watches outlives ctx, which only ends the putting of events.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, watching := errgroup.WithContext(watching)
	for id, source := range d.sources {
		group.Go(func() error { return watch(watching, id, source, d.board) })
	}
	group.Go(func() error { return d.journal.run(watching) })
	group.Go(func() error {
		select {
		case <-watching.Done():
			return nil
		case <-d.suite.done:
			return fmt.Errorf("the suite ended: %w", d.suite.err)
		}
	})
	err := d.open(ctx)
	if err == nil {
		d.started = time.Now()
		group.Go(func() error { return d.view(watching) })
		err = d.put(ctx, watching)
	}
	if err == nil {
		d.board.tell("no more events are put; waiting for what is under way")
		d.drain(watching)
	}
	stop()
	return errors.Join(err, group.Wait())
}

// put puts events until the duration is over, ctx ends, or watching does; in the middle it changes the API key.
func (d *demo) put(ctx, watching context.Context) error {
	putting, stop := context.WithCancel(watching)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	half := max(2*d.config.TokenLifetime, 10*time.Second) // in a run without end
	if d.config.Duration > 0 {
		half = d.config.Duration / 2
		timer := time.AfterFunc(d.config.Duration, stop)
		defer timer.Stop()
	}
	group, putting := errgroup.WithContext(putting)
	group.Go(func() error {
		d.load.run(putting, func(err error) { d.board.tell("%v", err) })
		return nil
	})
	group.Go(func() error {
		change := &keyChange{
			client: connectionv1.NewConnectionServiceClient(d.suite.conn), outside: d.outside, source: d.sources[warehouse],
			board: d.board, overlap: max(2*time.Second, d.config.TokenLifetime),
		}
		return change.run(putting, half)
	})
	err := group.Wait()
	d.ran = time.Since(d.started)
	return err
}

// drain waits, within a bound, until everything that was accepted has arrived.
func (d *demo) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for {
		_, _, targets := d.load.progress()
		if d.outside.traffic().accepted >= targets {
			if t := d.load.tally(d.outside.received()); t.delivered == t.events {
				return
			}
		}
		if !wait(ctx, 50*time.Millisecond) {
			return
		}
	}
}

// agree reads the history and waits, within a bound, until the watchers have what it says: a generation that was obtained and not pushed
// fails the demo.
func (d *demo) agree(ctx context.Context) error {
	for {
		if err := d.journal.read(ctx); err != nil {
			return err
		}
		ahead := false
		for _, p := range parties() {
			latest := d.journal.latest(p.id)
			generation, err := reached(ctx, p.id, d.sources[p.id], latest, d.board)
			if err != nil {
				return err
			}
			ahead = ahead || p.oauth && generation > latest
		}
		if !ahead {
			return nil
		}
	}
}

// sumUp asks everybody for their figures: the token service for rotations, the watchers for pushes, the APIs for the rest.
func (d *demo) sumUp(ctx context.Context) (Summary, error) {
	ctx = context.WithoutCancel(ctx)
	if err := d.agree(ctx); err != nil {
		return Summary{}, err
	}
	expired, err := d.suite.metric(ctx, counterOfExpired)
	if err != nil {
		return Summary{}, err
	}
	pushes, lead := d.board.pushed()
	_, refused, _ := d.load.progress()
	t, traffic := d.load.tally(d.outside.received()), d.outside.traffic()
	return Summary{
		Rotations:     d.journal.rotations(),
		Pushes:        pushes,
		MinLeadMS:     lead.Milliseconds(),
		Events:        t.events,
		Delivered:     t.delivered,
		Unauthorized:  traffic.unauthorized,
		Lost:          t.events - t.delivered,
		Duplicates:    t.duplicates,
		Attempts:      traffic.calls,
		ServedExpired: expired,
		Refused:       refused,
	}, nil
}
