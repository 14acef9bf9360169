package wire

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection/interfaces"
	"github.com/freshet-io/freshet/services/internal/lint"
	"github.com/freshet-io/freshet/services/internal/mapping"
)

// FromInterface returns the message of an interface.
func FromInterface(i interfaces.Interface) *connectionv1.Interface {
	m := &connectionv1.Interface{
		Name: i.Name.String(), Description: i.Description, Definition: i.Definition, Operations: i.Operations, Mappings: i.Mappings,
		CreateTime: timestamppb.New(i.CreateTime), UpdateTime: timestamppb.New(i.UpdateTime),
	}
	if i.UID != "" {
		m.Etag = i.ETag()
	}
	return m
}

// FromProblems returns the messages of what is wrong with a definition.
func FromProblems(problems lint.Problems) []*connectionv1.InterfaceProblem {
	out := make([]*connectionv1.InterfaceProblem, len(problems))
	for i, p := range problems {
		out[i] = &connectionv1.InterfaceProblem{Line: int32(p.Line), Column: int32(p.Column), Field: p.Field, Description: p.Description}
	}
	return out
}

// ToTrial reads what is to be tried.
func ToTrial(m *connectionv1.DryRunInterfaceRequest) mapping.Trial {
	t := mapping.Trial{
		Mapping: m.GetMapping(), Operation: m.GetOperation(), Input: m.GetInput(), Cursor: m.GetCursor(), BaseURL: m.GetBaseUrl(),
	}
	if answer := m.GetAnswer(); answer != nil {
		t.Answer = &mapping.Recorded{Status: int(answer.GetStatus()), Header: answer.GetHeaders(), Body: answer.GetBody()}
	}
	return t
}

// FromTried returns the message of what came of a trial.
func FromTried(t mapping.Tried) *connectionv1.DryRunInterfaceResponse {
	m := &connectionv1.DryRunInterfaceResponse{Request: fromRequest(t.Request), Output: t.Output, NextCursor: t.Next}
	if t.Error != nil {
		m.Error = &connectionv1.UpstreamError{Kind: string(t.Error.Kind), Status: int32(t.Error.Status), Message: t.Error.Message}
	}
	if t.Failed != nil {
		m.Failure = t.Failed.Field + " " + t.Failed.Description
	}
	return m
}

func fromRequest(r mapping.Request) *connectionv1.PlannedRequest {
	return &connectionv1.PlannedRequest{
		Method: r.Method, Host: r.Host, FollowRedirects: r.Follow, Path: "/" + r.Path, Query: r.Query, Headers: r.Header, Body: string(r.Body),
	}
}
