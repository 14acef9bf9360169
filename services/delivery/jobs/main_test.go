package jobs_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

// network is a Sender: the part of the world that does not exist in a bubble of time.
type network struct {
	mu     sync.Mutex
	status int
	sent   []sent
}

type sent struct {
	at    time.Time
	event string
	url   string
	body  string
}

// Send implements delivery.Sender.
func (n *network) Send(_ context.Context, r delivery.Request) delivery.Response {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent = append(n.sent, sent{time.Now(), r.Header.Get("X-Freshet-Event-Id"), r.URL, string(r.Body)})
	return delivery.Response{Status: n.status}
}

func (n *network) answer(status int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status = status
}

// take returns what was sent since it was last asked.
func (n *network) take() []sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.sent
	n.sent = nil
	return taken
}

// world is a running service in a bubble of time, with a destination and an archive of the default bus.
type world struct {
	*deliverytest.Suite
	*network
	db      *sqldb.DB
	figures *sdkmetric.ManualReader // of the service that was started last
}

func inBubble(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{network: &network{status: 200}, db: sqltest.Open(t, sqldb.SQLite, store.Migrations())}
		w.start(t)
		w.Destination(t, "shop", "https://api.example", nil)
		_, err := w.Service.CreateArchive(t.Context(), delivery.Archive{Name: archive("all")}, delivery.Write{})
		require.NoError(t, err)
		fn(t, w)
		w.Stop()
	})
}

// start starts a service on the world's database.
func (w *world) start(t *testing.T) {
	t.Helper()
	w.Suite = deliverytest.New(t, w.db, deliverytest.Options{Params: func(p *delivery.Params) {
		w.figures = sdkmetric.NewManualReader()
		p.Sender, p.MeterProvider = w.network, sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.figures))
	}}).Run(t)
	synctest.Wait()
}

func archive(id string) delivery.ArchiveName {
	return delivery.ArchiveName{Project: "p", Bus: delivery.DefaultBus, Archive: id}
}

func numbers(n int) []string {
	details := make([]string, n)
	for i := range details {
		details[i] = `{"n":` + strconv.Itoa(i) + `}`
	}
	return details
}

func name(id string) jobs.Name { return jobs.Name{Project: "p", Kind: jobs.KindReplay, ID: id} }

func (w *world) get(t *testing.T, name jobs.Name) jobs.Job {
	t.Helper()
	j, err := w.Jobs.Get(t.Context(), name)
	require.NoError(t, err)
	return j
}

// replay starts a replay of everything so far.
func (w *world) replay(t *testing.T, id string, change func(*jobs.Job)) {
	t.Helper()
	j := jobs.Job{Name: name(id), Replay: jobs.Replay{
		Bus: deliverytest.Default, Archive: "all", Start: time.Now().Add(-24 * time.Hour), End: time.Now().Add(time.Hour),
	}}
	if change != nil {
		change(&j)
	}
	_, err := w.Jobs.CreateReplay(t.Context(), j, false)
	require.NoError(t, err)
}
