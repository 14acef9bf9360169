package mapping_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/mapping"
)

var docs = filepath.Join("..", "..", "..", "docs")

func TestPublishedSchema(t *testing.T) {
	published, err := os.ReadFile(filepath.Join(docs, "interface.schema.json"))
	require.NoError(t, err)
	require.Equal(t, string(mapping.Schema()), string(published), "cp services/internal/mapping/interface.schema.json docs/")
}

func shipped(t *testing.T, name string) *mapping.Interface {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docs, "interfaces", name))
	require.NoError(t, err)
	parsed, err := mapping.Parse(name, text)
	require.NoError(t, err)
	return parsed
}

// step is a page of an operation: what is asked, and a recorded answer.
type step struct {
	wantMethod, wantPath, wantQuery, wantBody string
	status                                    int
	answer                                    string
}

// walk does an operation page by page and returns its items, or its one value.
func walk(t *testing.T, of *mapping.Interface, provider, operation, input, base string, steps ...step) string {
	t.Helper()
	route, err := of.Route(provider, operation)
	require.NoError(t, err)
	value, err := route.Operation.Input([]byte(input))
	require.NoError(t, err)
	var items []json.RawMessage
	cursor := ""
	for i, s := range steps {
		request, err := route.Request(t.Context(), value, cursor)
		require.NoError(t, err)
		require.Equal(t, s.wantMethod, request.Method)
		require.Equal(t, s.wantPath, request.Path)
		require.Equal(t, s.wantQuery, request.Query)
		require.Equal(t, s.wantBody, string(request.Body))
		output, err := route.Answer(t.Context(), mapping.Exchange{
			Input: value, Cursor: cursor, Request: request, Base: base, Status: s.status, Body: []byte(s.answer),
		})
		require.NoError(t, err)
		if !route.Operation.Paged {
			return string(output.Value)
		}
		items = append(items, output.Items...)
		require.Equal(t, i == len(steps)-1, output.Next == "", "page %d: %q", i, output.Next)
		cursor = output.Next
	}
	text, err := json.Marshal(items)
	require.NoError(t, err)
	return string(text)
}

func TestShippedPhotos(t *testing.T) {
	photos := shipped(t, "photos.json")
	const query = "fields=nextPageToken%2Cfiles%28id%2Cname%2Csize%2CimageMediaMetadata%28width%2Cheight%29%29&orderBy=createdTime&pageSize=100" +
		"&q=mimeType+contains+%27image%2F%27+and+trashed+%3D+false"
	require.JSONEq(t, `[{"id":"1","name":"a.jpg","size":9007199254740993,"width":40,"height":30},{"id":"2","name":"b.jpg","size":null,"width":null,"height":null}]`,
		walk(t, photos, "google-drive", "listPhotos", "", "https://www.googleapis.com/drive/v3",
			step{
				"GET", "files", query, "", 200,
				`{"nextPageToken":"n1","files":[{"id":"1","name":"a.jpg","size":"9007199254740993","imageMediaMetadata":{"width":40,"height":30}}]}`,
			},
			step{"GET", "files", strings.Replace(query, "&q=", "&pageToken=n1&q=", 1), "", 200, `{"files":[{"id":"2","name":"b.jpg"}]}`}))
	require.JSONEq(t, `[{"id":"id:a","name":"A.JPG","size":7,"width":null,"height":null},{"id":"id:c","name":"c.png","size":8,"width":null,"height":null}]`,
		walk(t, photos, "dropbox", "listPhotos", "{}", "https://api.dropboxapi.com/2",
			step{
				"POST", "files/list_folder", "", `{"include_media_info":false,"limit":500,"path":"","recursive":true}`, 200,
				`{"entries":[{".tag":"file","id":"id:a","name":"A.JPG","size":7},{".tag":"folder","id":"id:b","name":"b.jpg"}],"cursor":"c1","has_more":true}`,
			},
			step{
				"POST", "files/list_folder/continue", "", `{"cursor":"c1"}`, 200,
				`{"entries":[{".tag":"file","id":"id:c","name":"c.png","size":8},{".tag":"file","id":"id:d","name":"d.txt","size":9}],"cursor":"c2","has_more":false}`,
			}))

	require.JSONEq(t, `[{"id":"1","name":"a.jpg","size":7,"width":4,"height":3},{"id":"3","name":"c.jpg","size":9,"width":null,"height":null}]`,
		walk(t, photos, "onedrive", "listPhotos", "", "https://graph.microsoft.com/v1.0/me/drive",
			step{
				"GET", "special/photos/children", "%24select=id%2Cname%2Csize%2Cimage%2Cfile&%24top=100", "", 200,
				`{"value":[{"id":"1","name":"a.jpg","size":7,"file":{},"image":{"width":4,"height":3}},{"id":"2","name":"more","folder":{}}],
					"@odata.nextLink":"https://graph.microsoft.com/v1.0/me/drive/special/photos/children?$skiptoken=s1"}`,
			},
			step{"GET", "special/photos/children", "$skiptoken=s1", "", 200, `{"value":[{"id":"3","name":"c.jpg","size":9,"file":{}}]}`}))

	route, err := photos.Route("dropbox", "downloadPhoto")
	require.NoError(t, err)
	require.True(t, route.Operation.Raw)
	input, err := route.Operation.Input([]byte(`{"id":"id:a"}`))
	require.NoError(t, err)
	request, err := route.Request(t.Context(), input, "")
	require.NoError(t, err)
	require.Equal(t, "content.dropboxapi.com", request.Host)
	require.Equal(t, map[string]string{"Dropbox-API-Arg": `{"path":"id:a"}`}, request.Header)

	for _, c := range []struct {
		provider, answer string
		status           int
		want             mapping.APIError
	}{
		{"google-drive", `{"error":{"message":"slow down","errors":[{"reason":"userRateLimitExceeded"}]}}`, 403, mapping.APIError{Kind: mapping.KindRateLimited, Status: 403, Message: "slow down"}},
		{"google-drive", `{"error":{"message":"no","errors":[{"reason":"forbidden"}]}}`, 403, mapping.APIError{Kind: mapping.KindPermissionDenied, Status: 403, Message: "no"}},
		{"google-drive", `<html>`, 502, mapping.APIError{Kind: mapping.KindUnavailable, Status: 502}},
		{"dropbox", `{"error_summary":"path/not_found/.."}`, 409, mapping.APIError{Kind: mapping.KindNotFound, Status: 409, Message: "path/not_found/.."}},
	} {
		route, err := photos.Route(c.provider, "getPhoto")
		require.NoError(t, err)
		_, err = route.Answer(t.Context(), mapping.Exchange{Input: map[string]any{"id": "1"}, Status: c.status, Body: []byte(c.answer)})
		refused := &mapping.APIError{}
		require.ErrorAs(t, err, &refused)
		require.Equal(t, c.want, *refused)
	}
}

func TestShippedContacts(t *testing.T) {
	contacts := shipped(t, "contacts.json")
	require.JSONEq(t, `[{"id":"1","name":"Ada L","email":"ada@example.com"},{"id":"2","name":null,"email":null}]`,
		walk(t, contacts, "hubspot", "listContacts", "", "https://api.hubapi.com",
			step{
				"GET", "crm/v3/objects/contacts", "limit=100&properties=email%2Cfirstname%2Clastname", "", 200,
				`{"results":[{"id":"1","properties":{"email":"ada@example.com","firstname":"Ada","lastname":"L"}}],"paging":{"next":{"after":"1"}}}`,
			},
			step{"GET", "crm/v3/objects/contacts", "after=1&limit=100&properties=email%2Cfirstname%2Clastname", "", 200, `{"results":[{"id":"2","properties":{}}]}`}))
	require.JSONEq(t, `[{"id":"7","name":"Ada","email":"ada@example.com"},{"id":"8","name":"Bob","email":null}]`,
		walk(t, contacts, "pipedrive", "listContacts", "", "https://acme.pipedrive.com/api/v1",
			step{
				"GET", "persons", "limit=100&start=0", "", 200,
				`{"success":true,"data":[{"id":7,"name":"Ada","email":[{"value":"old@example.com"},{"value":"ada@example.com","primary":true}]}],"additional_data":{"pagination":{"more_items_in_collection":true}}}`,
			},
			step{
				"GET", "persons", "limit=100&start=100", "", 200,
				`{"success":true,"data":[{"id":8,"name":"Bob","email":[{"value":"","primary":true}]}],"additional_data":{"pagination":{"more_items_in_collection":false}}}`,
			}))
	require.JSONEq(t, `{"id":"9"}`, walk(t, contacts, "pipedrive", "createContact", `{"email":"a@example.com"}`, "",
		step{"POST", "persons", "", `{"email":[{"primary":true,"value":"a@example.com"}],"name":"a@example.com"}`, 201, `{"success":true,"data":{"id":9}}`}))
}
