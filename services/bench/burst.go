package bench

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/freshet-io/freshet/services/bench/child"
	"github.com/freshet-io/freshet/services/bench/issuer"
	"github.com/freshet-io/freshet/services/bench/stock"
)

// startIssuer starts the authorization server of the token benchmarks, which the suite will trust.
func (r *run) startIssuer(config issuer.Config) (*issuer.Client, error) {
	addrs := map[string]string{}
	_, err := r.start(child.Command{Name: "issuer", Args: []string{"bench", "issuer"}, Config: config, Ready: child.Addresses(addrs)})
	if err != nil {
		return nil, err
	}
	client := issuer.NewClient(addrs)
	r.roots = filepath.Join(r.dir, "roots.pem")
	return client, os.WriteFile(r.roots, []byte(client.Root), 0o600)
}

// settle lets the suite make a connection and its first token, and stops it. It returns the connection's name.
func (r *run) settle(config issuer.Config, tokenEndpoint string, kept bool) (string, error) {
	server, err := r.startServer()
	if err != nil {
		return "", err
	}
	s, err := openSuite(server)
	if err != nil {
		return "", err
	}
	err = s.connectGrant(r.ctx, config, tokenEndpoint, kept)
	return s.connection(), errors.Join(err, s.conn.Close(), r.stop(server.Process))
}

func (r *run) stock(connection string) stock.Config {
	return stock.Config{DataDir: r.dataDir(), Database: r.host.Database, Connection: connection}
}

// dueAfterFilling is a time at which a stock of so many tokens will be filled and the suite started, so that it begins to refresh while
// it is measured. If that takes longer, it begins at once, and its start is measured too.
func dueAfterFilling(now time.Time, tokens int) time.Time {
	return now.Add(2*time.Second + time.Duration(tokens)*500*time.Microsecond)
}

// burst is what was used while the suite refreshed tokens that became due together.
type burst struct {
	report issuer.Report
	made   int // refreshes, of these grants and of others that were due meanwhile
	used   spent
	memory child.Usage   // the server's, at the end
	start  time.Duration // of the server, until it was ready
	idle   child.Usage   // the server's, before the first was due
}

// burst starts the suite, waits until the grants are redeemed that become due, and stops it.
func (r *run) burst(client *issuer.Client, due time.Time, grants issuer.Range) (burst, error) {
	var b burst
	begin := time.Now()
	server, err := r.startServer()
	if err != nil {
		return b, err
	}
	b.start = time.Since(begin)
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
		return b, r.ctx.Err()
	}
	if b.idle, err = server.Usage(); err != nil {
		return b, err
	}
	before, err := client.Await(r.ctx, issuer.Range{Step: 1}, patience)
	if err != nil {
		return b, err
	}
	m, err := startMeter(server.Process)
	if err != nil {
		return b, err
	}
	if b.report, err = client.Await(r.ctx, grants, patience); err != nil {
		return b, err
	}
	if b.used, err = m.stop(); err != nil {
		return b, err
	}
	b.made = b.report.Total - before.Total
	b.memory, err = server.Usage()
	return b, errors.Join(err, r.stop(server.Process))
}
