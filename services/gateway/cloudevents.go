package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const (
	// maxCloudEvents bounds the events of a batch; putChunk how many of them go into one PutEvents, which every server takes.
	maxCloudEvents = 1000
	putChunk       = 10
	// attributePrefix begins the resources that keep attributes which an event has no field for.
	attributePrefix = "cloudevents/"
	internalFailure = "InternalFailure"
)

// cloudEvents takes events of the CloudEvents specification over HTTP (https://github.com/cloudevents/spec, HTTP protocol binding 1.0.2), in
// its binary, structured and batched modes, and puts them with the credential of the caller.
type cloudEvents struct {
	deliveries deliveryv1.DeliveryServiceClient
	problems   problemWriter
}

// cloudEventsBus returns the bus whose CloudEvents path this is.
func cloudEventsBus(escapedPath string) (bus string, ok bool) {
	bus, ok = strings.CutSuffix(strings.TrimPrefix(escapedPath, "/v1/"), "/cloudevents")
	parts := strings.Split(bus, "/")
	return bus, ok && len(parts) == 4 && parts[0] == "projects" && parts[2] == "buses"
}

// serve answers a request of an authenticated caller.
func (c *cloudEvents) serve(w http.ResponseWriter, r *http.Request, bus string) {
	r.Pattern = http.MethodPost + " /v1/{bus=projects/*/buses/*}/cloudevents"
	if r.Method != http.MethodPost {
		c.problems.notServed(w, r, []string{http.MethodPost})
		return
	}
	body, err := readUpTo(w, r, maxWebhook)
	if err != nil {
		c.problems.error(r.Context(), w, err)
		return
	}
	entries, batch, err := readCloudEvents(r.Header, body)
	if err != nil {
		c.problems.error(r.Context(), w, err)
		return
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(r.Context(), credentials(r.Header)), callTimeout)
	defer cancel()
	results, err := c.put(ctx, bus, entries)
	if err == nil && !batch && results.GetFailedEntryCount() > 0 {
		refused := results.GetEntries()[0]
		err = rpcerr.Invalid(rpcerr.Violation{Field: "event", Description: refused.GetErrorCode() + ": " + refused.GetErrorMessage()})
	}
	switch {
	case err != nil:
		c.problems.write(ctx, w, c.problems.ofCall(ctx, callStatus(ctx, err)))
	case batch:
		text, err := newJSON().Marshal(results)
		if err != nil {
			c.problems.error(ctx, w, err)
			return
		}
		writeJSON(w, http.StatusOK, json.RawMessage(text))
	default:
		writeJSON(w, http.StatusAccepted, map[string]string{"eventId": results.GetEntries()[0].GetEventId()})
	}
}

// put puts entries in several calls. Once some were taken, an error says of the others only that they may be put again.
func (c *cloudEvents) put(ctx context.Context, bus string, entries []*deliveryv1.PutEventsRequestEntry) (*deliveryv1.PutEventsResponse, error) {
	total := &deliveryv1.PutEventsResponse{FailedEntryCount: new(int32)}
	for chunk := range slices.Chunk(entries, putChunk) {
		results, err := c.deliveries.PutEvents(ctx, &deliveryv1.PutEventsRequest{Bus: bus, Entries: chunk})
		if err != nil && len(total.GetEntries()) == 0 {
			return nil, err
		}
		if err != nil {
			for range entries[len(total.GetEntries()):] {
				total.Entries = append(total.Entries, &deliveryv1.PutEventsResultEntry{
					ErrorCode: internalFailure, ErrorMessage: "it was not put; put it again",
				})
				*total.FailedEntryCount++
			}
			return total, nil
		}
		total.Entries = append(total.Entries, results.GetEntries()...)
		*total.FailedEntryCount += results.GetFailedEntryCount()
	}
	return total, nil
}

// readCloudEvents reads the events of a request. Errors are statuses.
func readCloudEvents(header http.Header, body []byte) (entries []*deliveryv1.PutEventsRequestEntry, batch bool, err error) {
	request := &http.Request{Method: http.MethodPost, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
	var events []event.Event
	if batch = cehttp.IsHTTPBatch(header); batch {
		events, err = cehttp.NewEventsFromHTTPRequest(request)
	} else {
		var one *event.Event
		if one, err = cehttp.NewEventFromHTTPRequest(request); err == nil {
			events = []event.Event{*one}
		}
	}
	switch {
	case err != nil:
		return nil, batch, malformedEvent("body", "is no CloudEvent: send one in the binary mode with ce- headers, or as "+
			"application/cloudevents+json, or several as application/cloudevents-batch+json")
	case len(events) == 0 || len(events) > maxCloudEvents:
		return nil, batch, malformedEvent("body", fmt.Sprintf("must have 1 to %d events", maxCloudEvents))
	}
	for i := range events {
		at := "event"
		if batch {
			at = fmt.Sprintf("events[%d]", i)
		}
		if err := events[i].Validate(); err != nil {
			return nil, batch, malformedEvent(at, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
		}
		entries = append(entries, toEntry(&events[i]))
	}
	return entries, batch, nil
}

func malformedEvent(field, description string) error {
	return rpcerr.Invalid(rpcerr.Violation{Field: field, Description: description})
}

// toEntry maps an event's attributes: source, type and time to the fields of those names, subject to the first resource, id and source
// together to the deduplication id, and what has no field to resources such as cloudevents/id/7.
func toEntry(e *event.Event) *deliveryv1.PutEventsRequestEntry {
	identity := sha256.Sum256([]byte(e.Source() + "\n" + e.ID())) // sources have no line breaks
	entry := &deliveryv1.PutEventsRequestEntry{
		Source: e.Source(), DetailType: e.Type(), DeduplicationId: "cloudevents-" + hex.EncodeToString(identity[:]),
	}
	if !e.Time().IsZero() {
		entry.Time = timestamppb.New(e.Time())
	}
	if e.Subject() != "" {
		entry.Resources = append(entry.Resources, e.Subject())
	}
	keep := func(name, value string) {
		if value != "" {
			entry.Resources = append(entry.Resources, attributePrefix+name+"/"+value)
		}
	}
	keep("id", e.ID())
	keep("dataschema", e.DataSchema())
	detail, isJSON := cloudDetail(e)
	if !isJSON {
		keep("datacontenttype", e.DataContentType())
	}
	names := make([]string, 0, len(e.Extensions()))
	for name := range e.Extensions() {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		keep(name, fmt.Sprint(e.Extensions()[name]))
	}
	entry.Detail = detail
	return entry
}

// cloudDetail is the event's data as a JSON object: itself if it is one; else {"data": …} with other JSON, or a text; {"dataBase64": "…"} with
// anything else; {} without data.
func cloudDetail(e *event.Event) (detail string, isJSON bool) {
	data := bytes.TrimSpace(e.Data())
	kind, _, _ := mime.ParseMediaType(e.DataContentType())
	isJSON = (kind == "" || kind == mimeJSON || strings.HasSuffix(kind, "+json") || kind == "text/json") && json.Valid(data)
	var value any
	name := "data"
	switch {
	case len(e.Data()) == 0:
		return "{}", true
	case isJSON && data[0] == '{':
		return string(data), true
	case isJSON:
		value = json.RawMessage(data)
	case utf8.Valid(e.Data()):
		value = string(e.Data())
	default:
		name, value = "dataBase64", base64.StdEncoding.EncodeToString(e.Data())
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(map[string]any{name: value}) // valid JSON and texts
	return strings.TrimSuffix(b.String(), "\n"), isJSON
}
