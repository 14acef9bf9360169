package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/interfaces"
)

// RunInterfaces runs every rule as a subtest on an empty store of its own.
func RunInterfaces(t *testing.T, newStore func(t *testing.T) interfaces.Store) {
	t.Run("EveryFieldComesBack", func(t *testing.T) { everyFieldOfAnInterface(t, newStore(t)) })
	t.Run("ListInterfaces", func(t *testing.T) { listInterfaces(t, newStore(t)) })
}

func anInterface(project, id string) interfaces.Interface {
	return interfaces.Interface{
		Name: interfaces.Name{Project: project, ID: id}, UID: "uid-" + id, Description: "for people", Definition: `{"π": "\u0000"}`,
		Operations: []string{"a", "b"}, Mappings: []string{"acme"}, Version: 1, CreateTime: noon(), UpdateTime: noon(),
	}
}

// everyFieldOfAnInterface: what is written comes back, once; writes of what somebody else changed do nothing.
func everyFieldOfAnInterface(t *testing.T, s interfaces.Store) {
	i := anInterface("p", "photos")
	_, err := s.GetInterface(t.Context(), i.Name)
	require.ErrorIs(t, err, interfaces.ErrNotFound)
	require.ErrorIs(t, s.UpdateInterface(t.Context(), i), connection.ErrStale)
	require.NoError(t, s.CreateInterface(t.Context(), i))
	require.ErrorIs(t, s.CreateInterface(t.Context(), i), connection.ErrExists)
	got, err := s.GetInterface(t.Context(), i.Name)
	require.NoError(t, err)
	require.Equal(t, i, got)

	i.Description, i.Definition, i.Operations, i.Mappings, i.UpdateTime = "", "{}", []string{}, []string{"other"}, noon().Add(time.Second)
	require.NoError(t, s.UpdateInterface(t.Context(), i))
	require.ErrorIs(t, s.UpdateInterface(t.Context(), i), connection.ErrStale)
	require.ErrorIs(t, s.DeleteInterface(t.Context(), i), connection.ErrStale)
	i.Version = 2
	got, err = s.GetInterface(t.Context(), i.Name)
	require.NoError(t, err)
	require.Equal(t, i, got)

	another := i
	another.UID = "uid-of-another"
	require.ErrorIs(t, s.DeleteInterface(t.Context(), another), connection.ErrStale)
	require.NoError(t, s.DeleteInterface(t.Context(), i))
	_, err = s.GetInterface(t.Context(), i.Name)
	require.ErrorIs(t, err, interfaces.ErrNotFound)
}

// listInterfaces: in the order of bytes, page by page, each project for itself.
func listInterfaces(t *testing.T, s interfaces.Store) {
	for _, id := range []string{"b", "a", "B", "a.b", "a-b"} {
		require.NoError(t, s.CreateInterface(t.Context(), anInterface("p", id)))
	}
	require.NoError(t, s.CreateInterface(t.Context(), anInterface("q", "c")))
	page := func(project, after string, limit int) []string {
		list, err := s.ListInterfaces(t.Context(), project, after, limit)
		require.NoError(t, err)
		ids := []string{}
		for _, i := range list {
			require.Empty(t, i.Definition)
			require.Equal(t, []string{"a", "b"}, i.Operations)
			ids = append(ids, i.Name.ID)
		}
		return ids
	}
	require.Equal(t, []string{"B", "a", "a-b"}, page("p", "", 3))
	require.Equal(t, []string{"a.b", "b"}, page("p", "a-b", 3))
	require.Equal(t, []string{"c"}, page("q", "", 3))
	require.Empty(t, page("r", "", 3))
}
