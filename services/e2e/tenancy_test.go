package e2e_test

import (
	"net/http"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testTenancy fills two projects with resources of the same names.
func testTenancy(t *testing.T, w World) {
	one, other := newScene(t, w, time.Minute), newScene(t, w, time.Minute)
	one.connect(t, "crm", one.apiKey())
	one.connect(t, "second", one.basic())
	one.destine(t, "orders", "crm", "/apikey/*", nil)
	d := one.deliver(t, "orders", "1")

	for _, list := range []string{"/connections", "/destinations", "/deliveries", "/buses/default/rules"} {
		require.Empty(t, names(t, other, list), list)
	}
	id := path.Base(d.Name)
	other.problem(t, http.MethodGet, other.connection("crm"), nil, http.StatusNotFound, "CONNECTION_NOT_FOUND")
	other.problem(t, http.MethodGet, other.token("crm"), nil, http.StatusNotFound, "TOKEN_NOT_FOUND")
	other.problem(t, http.MethodGet, other.path()+"/destinations/orders", nil, http.StatusNotFound, "DESTINATION_NOT_FOUND")
	other.problem(t, http.MethodGet, other.path()+"/deliveries/"+id, nil, http.StatusNotFound, "DELIVERY_NOT_FOUND")
	other.problem(t, http.MethodPost, other.path()+"/deliveries/"+id+":redrive", nil, http.StatusNotFound, "DELIVERY_NOT_FOUND")

	// Nothing of one can be used by the other.
	other.connect(t, "crm", other.apiKey())
	other.problem(t, http.MethodPost, other.path()+"/destinations?destinationId=orders", map[string]any{
		"connection": one.project + "/connections/crm", "endpoint": other.apiSite.url() + "/apikey/1",
	}, http.StatusBadRequest, "INVALID_FIELD")
	other.problem(t, http.MethodPost, other.path()+"/buses/default/rules?ruleId=orders", map[string]any{
		"eventPattern": `{"source":["orders"]}`,
		"targets":      []any{map[string]any{"id": "t1", "destination": one.project + "/destinations/orders", "pathParameterValues": []string{"1"}}},
	}, http.StatusBadRequest, "INVALID_FIELD")
	var page struct{ NextPageToken string }
	one.ok(t, http.MethodGet, one.path()+"/connections?pageSize=1", nil, &page)
	require.NotEmpty(t, page.NextPageToken)
	other.problem(t, http.MethodGet, other.path()+"/connections?pageSize=1&pageToken="+page.NextPageToken, nil, http.StatusBadRequest, "INVALID_PAGE_TOKEN")

	// The same names mean different things.
	other.destine(t, "orders", "crm", "/apikey/*", nil)
	other.deliver(t, "orders", "2")
	require.Len(t, one.api.Received(), 1)
	require.Len(t, other.api.Received(), 1)
	require.Equal(t, []string{one.connection("crm")[len("/v1/"):], one.connection("second")[len("/v1/"):]}, names(t, one, "/connections"))
	require.Equal(t, []string{other.connection("crm")[len("/v1/"):]}, names(t, other, "/connections"))
	other.ok(t, http.MethodDelete, other.path()+"/buses/default/rules/orders", nil, nil)
	require.Len(t, names(t, one, "/buses/default/rules"), 1)
}

// names lists what is in a collection of a project.
func names(t testing.TB, s *scene, list string) []string {
	t.Helper()
	var page map[string]any
	s.ok(t, http.MethodGet, s.path()+list, nil, &page)
	members, ok := page[path.Base(list)].([]any)
	require.True(t, ok, "%v", page)
	var out []string
	for _, member := range members {
		out = append(out, member.(map[string]any)["name"].(string))
	}
	return out
}
