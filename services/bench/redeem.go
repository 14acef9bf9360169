package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-io/freshet/services/bench/issuer"
	"github.com/freshet-io/freshet/services/internal/egress"
)

// redeemer redeems refresh tokens at the issuer itself, with the HTTP client of the suite and the same request.
type redeemer struct {
	client *issuer.Client
	config issuer.Config
}

// http is the client that the suite redeems with: a connection for each request, or, kept, one for many.
func (p *redeemer) http(workers int, kept bool) *http.Client {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	guard := egress.NewGuard(egress.Policy{AllowNetworks: loopback}, egress.Options{})
	return guard.ClientWith(func(t *http.Transport) {
		t.TLSClientConfig.RootCAs = p.client.Roots()
		t.MaxIdleConnsPerHost = workers
		if !kept {
			egress.OneRequest(t)
		}
	})
}

// flood makes a number of redemptions with some workers, each of which has a grant of its own, beginning with the given one. It returns
// how long that took.
func (p *redeemer) flood(ctx context.Context, redemptions, workers, grant int, kept bool) (time.Duration, error) {
	client := p.http(workers, kept)
	defer client.CloseIdleConnections()
	var made atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for worker := range workers {
		group.Go(func() error {
			held := issuer.Grant(grant+worker, 0)
			for made.Add(1) <= int64(redemptions) {
				next, err := p.redeem(ctx, client, held)
				if err != nil {
					return err
				}
				held = next
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(begin), err
}

func (p *redeemer) redeem(ctx context.Context, client *http.Client, held string) (string, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.client.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(p.config.ClientID, p.config.ClientSecret)
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	_ = response.Body.Close() // read to its end
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("raw redemption: %s", response.Status)
	}
	return answer.RefreshToken, err
}
