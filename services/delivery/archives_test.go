package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
)

func archiveName(id string) delivery.ArchiveName {
	return delivery.ArchiveName{Project: "p", Bus: delivery.DefaultBus, Archive: id}
}

func createArchive(t *testing.T, s *deliverytest.Suite, id string, change func(*delivery.Archive)) {
	t.Helper()
	a := delivery.Archive{Name: archiveName(id)}
	if change != nil {
		change(&a)
	}
	_, err := s.Service.CreateArchive(t.Context(), a, delivery.Write{})
	require.NoError(t, err)
}

func archivedEvents(t *testing.T, s *deliverytest.Suite, id string) int64 {
	t.Helper()
	a, err := s.Service.GetArchive(t.Context(), archiveName(id))
	require.NoError(t, err)
	return a.Events
}

// TestArchiveTakesWhatMatches: from the moment it is created or changed, also events that no rule wants.
func TestArchiveTakesWhatMatches(t *testing.T) {
	inBubble(t, succeed, func(t *testing.T, s *deliverytest.Suite, _ *network) {
		s.Put(t, "shop", `{}`) // so that the index of the bus is in memory
		createArchive(t, s, "all", nil)
		createArchive(t, s, "some", func(a *delivery.Archive) { a.EventPattern = `{"source":["shop"],"detail":{"n":[1]}}` })
		s.Put(t, "shop", `{"n":1}`, `{"n":2}`)
		s.Put(t, "other", `{"n":1}`)
		require.EqualValues(t, 3, archivedEvents(t, s, "all"))
		require.EqualValues(t, 1, archivedEvents(t, s, "some"))
		_, err := s.Service.UpdateArchive(t.Context(), archiveName("all"), delivery.Write{}, func(a *delivery.Archive) error {
			a.Disabled = true
			return nil
		})
		require.NoError(t, err)
		s.Put(t, "shop", `{"n":1}`)
		require.EqualValues(t, 3, archivedEvents(t, s, "all"))
		require.EqualValues(t, 2, archivedEvents(t, s, "some"))
	})
}

// TestArchiveRetention: events stay as long as the archive says, counted from their acceptance, whatever their time.
func TestArchiveRetention(t *testing.T) {
	stoppedInBubble(t, func(t *testing.T, s *deliverytest.Suite, _ *network) {
		createArchive(t, s, "day", func(a *delivery.Archive) { a.Retention = 24 * time.Hour })
		createArchive(t, s, "forever", nil)
		begin := time.Now()
		_, err := s.Service.PutEvents(t.Context(), deliverytest.Default,
			[]delivery.Entry{{Source: "shop", DetailType: "T", Detail: "{}", Time: begin.Add(-1000 * time.Hour)}}, false)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		s.Put(t, "shop", numbers(600)...)
		time.Sleep(24*time.Hour - 11*time.Minute)
		s.Run(t)
		synctest.Wait()
		require.EqualValues(t, 601, archivedEvents(t, s, "day"))
		time.Sleep(3 * time.Minute)
		require.EqualValues(t, 600, archivedEvents(t, s, "day"))
		time.Sleep(10 * time.Minute)
		require.Zero(t, archivedEvents(t, s, "day"))
		require.EqualValues(t, 601, archivedEvents(t, s, "forever"))
		require.NoError(t, s.Service.DeleteArchive(t.Context(), archiveName("forever"), delivery.Write{}))
		createArchive(t, s, "forever", nil)
		require.Zero(t, archivedEvents(t, s, "forever"))
	})
}

func succeed() delivery.Response { return delivery.Response{Status: 200} }
