package sqldb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// A listener whose server went away without a word would wait for ever, so a silent one asks now and then.
	listenSilence = 30 * time.Second
	listenTimeout = 10 * time.Second // for connecting and for asking

	reconnectPause    = 100 * time.Millisecond // doubled for every failure in a row, times a random 0.5 to 1
	reconnectMaxPause = 10 * time.Second

	maxChannel = 63 // bytes, NAMEDATALEN - 1
	maxPayload = 7999
)

// channelName keeps the schemas of a database apart: to PostgreSQL, channels belong to the database.
func (p *postgresDB) channelName(channel string) (string, error) {
	name := p.schema + "." + channel
	if channel == "" || len(name) > maxChannel {
		return "", fmt.Errorf("sqldb: channel %q: want 1 to %d bytes", channel, maxChannel-len(p.schema)-1)
	}
	return name, nil
}

func (p *postgresDB) notify(ctx context.Context, tx Tx, channel, payload string) error {
	name, err := p.channelName(channel)
	if err != nil {
		return err
	}
	if len(payload) > maxPayload {
		return fmt.Errorf("sqldb: notification of %d bytes on channel %q: at most %d", len(payload), channel, maxPayload)
	}
	_, err = tx.ExecContext(ctx, "SELECT pg_notify($1, $2)", name, payload)
	return err
}

func (p *postgresDB) listen(ctx context.Context, channel string, fn func(payload string)) error {
	name, err := p.channelName(channel)
	if err != nil {
		return err
	}
	for failures := 0; ; failures++ {
		connected, err := p.listenOnce(ctx, name, fn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if connected {
			failures = 0
		}
		pause := reconnectDelay(failures)
		p.logger.WarnContext(ctx, "not listening for notifications", "channel", name, "error", err, "retry_in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func reconnectDelay(failures int) time.Duration {
	pause := min(reconnectPause<<min(failures, 10), reconnectMaxPause)
	return pause/2 + rand.N(pause/2)
}

// listenOnce listens on a connection of its own until that fails or ctx ends.
func (p *postgresDB) listenOnce(ctx context.Context, name string, fn func(payload string)) (connected bool, err error) {
	dialCtx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(dialCtx, p.config.Copy())
	if err != nil {
		return false, err
	}
	defer closeListener(ctx, conn)
	if _, err := conn.Exec(dialCtx, "LISTEN "+pgx.Identifier{name}.Sanitize()); err != nil {
		return false, err
	}
	fn("") // only now: a change before LISTEN is in what fn reads, a later one is notified
	for {
		payload, err := waitNotification(ctx, conn)
		if err != nil {
			return true, err
		}
		fn(payload)
	}
}

// waitNotification waits for the next payload and makes sure that the connection is alive meanwhile.
func waitNotification(ctx context.Context, conn *pgx.Conn) (string, error) {
	for {
		waitCtx, cancel := context.WithTimeout(ctx, listenSilence)
		n, err := conn.WaitForNotification(waitCtx)
		cancel()
		if err == nil {
			return n.Payload, nil
		}
		if ctx.Err() != nil || conn.IsClosed() || !errors.Is(err, context.DeadlineExceeded) {
			return "", err
		}
		pingCtx, cancel := context.WithTimeout(ctx, listenTimeout)
		err = conn.Ping(pingCtx)
		cancel()
		if err != nil {
			return "", err
		}
	}
}

func closeListener(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
