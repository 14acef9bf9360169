package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// target is a target as it is stored.
type target struct {
	ID             string            `json:"id"`
	Destination    string            `json:"destination"`
	PathParameters []string          `json:"path,omitempty"`
	Headers        map[string]string `json:"headers,omitempty"`
	Query          map[string]string `json:"query,omitempty"`
	Input          string            `json:"input,omitempty"`
	InputPath      string            `json:"input_path,omitempty"`
	InputPaths     map[string]string `json:"input_paths,omitempty"`
	InputTemplate  string            `json:"input_template,omitempty"`
	DeadAction     int               `json:"dead_action,omitempty"`
	DeadBus        string            `json:"dead_bus,omitempty"`
	Grant          string            `json:"grant,omitempty"`
	Retries        *int              `json:"retries,omitempty"`
	MaxAge         time.Duration     `json:"max_age,omitempty"` // nanoseconds
	Body           *string           `json:"body,omitempty"`
	GroupPath      string            `json:"group_path,omitempty"`
	Group          string            `json:"group,omitempty"` // of a delivery
	Batch          *batching         `json:"batch,omitempty"`
}

type batching struct {
	MaxEvents int           `json:"max_events,omitempty"`
	Window    time.Duration `json:"window,omitempty"` // nanoseconds
	MaxBytes  int           `json:"max_bytes,omitempty"`
}

func toTarget(t delivery.Target) target {
	row := target{
		ID: t.ID, Destination: t.Destination, PathParameters: t.PathParameters, Headers: t.Headers, Query: t.QueryParameters,
		Input: t.Input, InputPath: t.InputPath, Retries: t.Retry.Retries, MaxAge: t.Retry.MaxAge,
		DeadAction: int(t.DeadLetter.Action), DeadBus: t.DeadLetter.Bus, Body: t.Body, GroupPath: t.GroupPath, Grant: t.Grant,
	}
	if t.Batch != nil {
		row.Batch = (*batching)(t.Batch)
	}
	if t.Transformer != nil {
		row.InputPaths, row.InputTemplate = t.Transformer.Paths, t.Transformer.Template
	}
	return row
}

func (t target) domain() delivery.Target {
	d := delivery.Target{
		ID: t.ID, Destination: t.Destination, PathParameters: t.PathParameters, Headers: t.Headers, QueryParameters: t.Query,
		Input: t.Input, InputPath: t.InputPath, Retry: delivery.RetryPolicy{Retries: t.Retries, MaxAge: t.MaxAge},
		DeadLetter: delivery.DeadLetter{Action: delivery.DeadLetterAction(t.DeadAction), Bus: t.DeadBus}, Body: t.Body, GroupPath: t.GroupPath, Grant: t.Grant,
	}
	if t.Batch != nil {
		d.Batch = (*delivery.Batching)(t.Batch)
	}
	if t.InputTemplate != "" {
		d.Transformer = &delivery.Transformer{Paths: t.InputPaths, Template: t.InputTemplate}
	}
	return d
}

func encodeTargets(list []delivery.Target) (string, error) {
	rows := make([]target, len(list))
	for i, t := range list {
		rows[i] = toTarget(t)
	}
	return encode(rows)
}

func decodeTargets(text string) ([]delivery.Target, error) {
	var rows []target
	if err := decode(text, &rows); err != nil {
		return nil, err
	}
	list := make([]delivery.Target, len(rows))
	for i, t := range rows {
		list[i] = t.domain()
	}
	return list, nil
}

// encodeTarget encodes the target of a delivery, and its group.
func encodeTarget(d *delivery.Delivery) (string, error) {
	row := toTarget(d.Target)
	row.Group = d.Group
	return encode(row)
}

func decodeTarget(text string) (t delivery.Target, group string, err error) {
	var row target
	err = decode(text, &row)
	return row.domain(), row.Group, err
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func decode(text string, v any) error {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("store: unreadable column: %w", err)
	}
	return nil
}
