package rpc_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

const (
	viewer = "projects/p/interfaces/photos"
	// definition has mappings for a provider and for a connection.
	definition = `{"operations": {"list": {"paged": true}, "get": {"input": {"type": "object", "required": ["id"]}}}, "mappings": {
		"google": {"operations": {"list": {"path": "/files", "output": ".files", "pagination": {"kind": "NEXT_URL", "next": ".next"}}}},
		"crm": {"operations": {"get": {"path": "/x/{{.id}}", "errors": [{"status": 404, "message": ".m"}]}}}}}`
)

func (f *fixture) createInterface(t *testing.T, id string) *connectionv1.Interface {
	t.Helper()
	created, err := f.kept.CreateInterface(t.Context(), &connectionv1.CreateInterfaceRequest{
		Parent: parent, InterfaceId: id, Interface: &connectionv1.Interface{Description: "photos", Definition: definition},
	})
	require.NoError(t, err)
	return created.GetInterface()
}

func TestInterfaces(t *testing.T) {
	f := newFixture(t)
	ask := &connectionv1.CreateInterfaceRequest{Parent: parent, InterfaceId: "photos", Interface: &connectionv1.Interface{Definition: definition}, ValidateOnly: true}
	would, err := f.kept.CreateInterface(t.Context(), ask)
	require.NoError(t, err)
	require.Empty(t, would.GetInterface().GetEtag())
	created := f.createInterface(t, "photos")
	require.Equal(t, []string{"get", "list"}, created.GetOperations())
	require.Equal(t, []string{"crm", "google"}, created.GetMappings())
	_, err = f.kept.CreateInterface(t.Context(), ask)
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	require.ErrorContains(t, err, "interface "+viewer)

	got, err := f.kept.GetInterface(t.Context(), &connectionv1.GetInterfaceRequest{Name: viewer})
	require.NoError(t, err)
	require.True(t, proto.Equal(created, got.GetInterface()))
	_, err = f.kept.GetInterface(t.Context(), &connectionv1.GetInterfaceRequest{Name: "projects/p/interfaces/none"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_INTERFACE_NOT_FOUND)

	for _, id := range []string{"a", "b"} {
		f.createInterface(t, id)
	}
	page, err := f.kept.ListInterfaces(t.Context(), &connectionv1.ListInterfacesRequest{Parent: parent, PageSize: 2})
	require.NoError(t, err)
	require.Len(t, page.GetInterfaces(), 2)
	require.Empty(t, page.GetInterfaces()[0].GetDefinition())
	page, err = f.kept.ListInterfaces(t.Context(), &connectionv1.ListInterfacesRequest{Parent: parent, PageSize: 2, PageToken: page.GetNextPageToken()})
	require.NoError(t, err)
	require.Equal(t, viewer, page.GetInterfaces()[0].GetName())
	require.Empty(t, page.GetNextPageToken())
	_, err = f.kept.ListInterfaces(t.Context(), &connectionv1.ListInterfacesRequest{Parent: parent, PageToken: "x"})
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_PAGE_TOKEN)
}

func TestInterfaceChanges(t *testing.T) {
	f := newFixture(t)
	created := f.createInterface(t, "photos")
	update := func(i *connectionv1.Interface, paths ...string) (*connectionv1.Interface, error) {
		i.Name = viewer
		request := &connectionv1.UpdateInterfaceRequest{Interface: i}
		if len(paths) > 0 {
			request.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
		}
		updated, err := f.kept.UpdateInterface(t.Context(), request)
		return updated.GetInterface(), err
	}
	same, err := update(&connectionv1.Interface{Definition: definition})
	require.NoError(t, err)
	require.Equal(t, created.GetEtag(), same.GetEtag(), "nothing changed")
	changed, err := update(&connectionv1.Interface{Etag: created.GetEtag()}, "description")
	require.NoError(t, err)
	require.Empty(t, changed.GetDescription())
	require.NotEqual(t, created.GetEtag(), changed.GetEtag())
	_, err = update(&connectionv1.Interface{Etag: created.GetEtag(), Description: "x"})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err = update(&connectionv1.Interface{}, "mappings")
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_UPDATE_MASK)
	_, err = update(&connectionv1.Interface{}, "nonsense")
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_UPDATE_MASK)
	_, err = update(&connectionv1.Interface{}, "definition")
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "interface.definition", "is empty")
	_, err = update(&connectionv1.Interface{Definition: strings.Replace(definition, `"/files"`, `"files"`, 1)})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "interface.definition", "line 2: mappings.google.operations.list.path: must begin with a slash")
	_, err = update(&connectionv1.Interface{Description: strings.Repeat("é", 513)})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "interface.description", "at most 512")

	_, err = f.kept.DeleteInterface(t.Context(), &connectionv1.DeleteInterfaceRequest{Name: viewer, Etag: created.GetEtag()})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err = f.kept.DeleteInterface(t.Context(), &connectionv1.DeleteInterfaceRequest{Name: viewer, Etag: changed.GetEtag()})
	require.NoError(t, err)
	_, err = f.kept.DeleteInterface(t.Context(), &connectionv1.DeleteInterfaceRequest{Name: viewer})
	requireError(t, err, codes.NotFound, errorsv1.Reason_INTERFACE_NOT_FOUND)
}

func TestLintAndDryRun(t *testing.T) {
	f := newFixture(t)
	f.createInterface(t, "photos")
	lint := func(text string) []*connectionv1.InterfaceProblem {
		answer, err := f.kept.LintInterface(t.Context(), &connectionv1.LintInterfaceRequest{Parent: parent, Definition: text})
		require.NoError(t, err)
		return answer.GetProblems()
	}
	require.Empty(t, lint(definition))
	problems := lint("{\n  \"operations\": {}}")
	require.Len(t, problems, 2)
	require.EqualValues(t, 1, problems[0].GetLine())
	require.Equal(t, "mappings", problems[0].GetField())
	require.EqualValues(t, 17, problems[1].GetColumn())

	try := func(r *connectionv1.DryRunInterfaceRequest) (*connectionv1.DryRunInterfaceResponse, error) {
		r.Parent = parent
		return f.kept.DryRunInterface(t.Context(), r)
	}
	stored := &connectionv1.DryRunInterfaceRequest_Interface{Interface: "photos"}
	got, err := try(&connectionv1.DryRunInterfaceRequest{
		Source: stored, Mapping: "google", Operation: "list", BaseUrl: "https://api.example.com/v3",
		Answer: &connectionv1.RecordedAnswer{Body: `{"files": [1, {"a": 2}], "next": "https://api.example.com/v3/files?page=2"}`},
	})
	require.NoError(t, err)
	require.Equal(t, "/files", got.GetRequest().GetPath())
	require.Equal(t, `[1,{"a":2}]`, got.GetOutput())
	require.Equal(t, "files?page=2", got.GetNextCursor())
	got, err = try(&connectionv1.DryRunInterfaceRequest{Source: stored, Mapping: "google", Operation: "list", Cursor: "files?page=2"})
	require.NoError(t, err)
	require.Equal(t, "page=2", got.GetRequest().GetQuery())
	require.Empty(t, got.GetOutput())

	inline := &connectionv1.DryRunInterfaceRequest_Definition{Definition: definition}
	got, err = try(&connectionv1.DryRunInterfaceRequest{
		Source: inline, Mapping: "crm", Operation: "get", Input: `{"id": 7}`, Answer: &connectionv1.RecordedAnswer{Status: 404, Body: `{"m": "none"}`},
	})
	require.NoError(t, err)
	require.Equal(t, "/x/7", got.GetRequest().GetPath())
	require.True(t, proto.Equal(&connectionv1.UpstreamError{Kind: "NOT_FOUND", Status: 404, Message: "none"}, got.GetError()))
	got, err = try(&connectionv1.DryRunInterfaceRequest{
		Source: inline, Mapping: "google", Operation: "list", Answer: &connectionv1.RecordedAnswer{Body: `{"files": {}}`},
	})
	require.NoError(t, err)
	require.Equal(t, "output gives object, where a list is needed", got.GetFailure())

	_, err = try(&connectionv1.DryRunInterfaceRequest{Source: inline, Mapping: "crm", Operation: "get"})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "input.id", "is required")
	_, err = try(&connectionv1.DryRunInterfaceRequest{Source: inline, Mapping: "crm", Operation: "get", Input: `{"id": "/"}`})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_MAPPING_FAILED)
	_, err = try(&connectionv1.DryRunInterfaceRequest{Source: inline, Mapping: "crm", Operation: "list"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_OPERATION_NOT_FOUND)
	_, err = try(&connectionv1.DryRunInterfaceRequest{
		Source: &connectionv1.DryRunInterfaceRequest_Definition{Definition: "{"}, Mapping: "crm", Operation: "list",
	})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "definition", "it ends too early")
	_, err = try(&connectionv1.DryRunInterfaceRequest{
		Source: &connectionv1.DryRunInterfaceRequest_Interface{Interface: "none"}, Mapping: "crm", Operation: "list",
	})
	requireError(t, err, codes.NotFound, errorsv1.Reason_INTERFACE_NOT_FOUND)
}

// TestResolve: the mapping asked for, else the provider's, else the connection's.
func TestResolve(t *testing.T) {
	f := newFixture(t)
	f.createInterface(t, "photos")
	f.create(t, "crm", oauth2())
	f.create(t, "drive", ofOAuth2(preset("providers/google", nil)))
	f.create(t, "other", oauth2())
	resolve := func(connection, mapping string) (string, error) {
		answer, err := f.kept.ResolveInterface(t.Context(), &connectionv1.ResolveInterfaceRequest{Name: viewer, Connection: connection, Mapping: mapping})
		require.Equal(t, err == nil, answer.GetInterface().GetDefinition() == definition)
		return answer.GetMapping(), err
	}
	for connection, want := range map[string]string{"crm": "crm", "drive": "google"} {
		got, err := resolve("projects/p/connections/"+connection, "")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := resolve("projects/p/connections/other", "crm")
	require.NoError(t, err)
	require.Equal(t, "crm", got)
	_, err = resolve("projects/p/connections/other", "")
	requireError(t, err, codes.NotFound, errorsv1.Reason_OPERATION_NOT_FOUND)
	_, err = resolve("projects/p/connections/drive", "none")
	requireError(t, err, codes.NotFound, errorsv1.Reason_OPERATION_NOT_FOUND)
	_, err = resolve(gone, "")
	requireError(t, err, codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND)
	require.ErrorContains(t, err, gone)
	_, err = resolve("projects/q/connections/crm", "")
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection", "of the interface's project")
}
