package delivery

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/buslog"
)

// TestLogsOffCostNothing: where a bus wants nothing logged, no step of an event's way allocates for it.
func TestLogsOffCostNothing(t *testing.T) {
	s := &Service{logs: logConfigs{known: map[BusName]logConfig{}}, now: time.Now, logger: slog.New(slog.DiscardHandler)}
	bus := BusName{"p", "b"}
	e := &Event{Project: "p", ID: "e", Bus: "b", Detail: `{}`}
	d, a, payload := &Delivery{Event: e, ID: ID{"p", "d"}, State: Succeeded}, &Attempt{}, []byte("{}")
	for _, config := range []buslog.Config{{}, {Level: buslog.Off, Detail: buslog.FullDetail}} {
		s.logs.set(bus, config, s.now().Add(time.Hour))
		x, events := &busIndex{settings: BusSettings{Log: config}}, []*Event{e}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			s.logIngest(t.Context(), x, events, nil)
			c := s.logConfig(t.Context(), bus)
			s.logStart(t.Context(), c, d, a)
			s.logAttempt(t.Context(), c, d, a, payload)
			s.logEnd(t.Context(), d, a)
		}))
	}
}
