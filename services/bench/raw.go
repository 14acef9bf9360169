package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-io/freshet/services/bench/sink"
)

// poster posts bodies to the sink itself, with net/http as it comes.
type poster struct {
	url, key string
	bearer   string // in place of the key; empty: one that the sink takes
	bodies   sink.Bodies
}

// flood posts a range with a number of workers, each over a connection that it keeps, and returns when it began.
func (p *poster) flood(ctx context.Context, ids span, workers int) (time.Time, error) {
	transport := &http.Transport{MaxIdleConns: workers, MaxIdleConnsPerHost: workers}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for range workers {
		group.Go(func() error {
			var body []byte
			for {
				id := ids.from + int(next.Add(1)) - 1
				if id >= ids.to {
					return nil
				}
				body = p.bodies.Append(body[:0], id)
				if err := p.post(ctx, client, body); err != nil {
					return err
				}
			}
		})
	}
	return begin, group.Wait()
}

func (p *poster) post(ctx context.Context, client *http.Client, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	if p.key != "" {
		request.Header.Set(sink.KeyHeader, p.key)
	} else {
		request.Header.Set("Authorization", "Bearer "+cmp.Or(p.bearer, "raw"))
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close() // read to its end
	if err == nil && answer.StatusCode != http.StatusNoContent {
		err = fmt.Errorf("raw post: %s", answer.Status)
	}
	return err
}
