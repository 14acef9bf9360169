package announce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/connection"
)

// Source is the source of all our events.
const Source = "freshet.connection"

// internalFailure is the error code of an entry that may be put again.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
const internalFailure = "InternalFailure"

// Client implements connection.Announcer.
type Client struct {
	delivery deliveryv1.DeliveryServiceClient
}

// New returns a client over a connection to the delivery service.
func New(conn grpc.ClientConnInterface) *Client {
	return &Client{delivery: deliveryv1.NewDeliveryServiceClient(conn)}
}

// detail is the content of an event. Its names are public.
type detail struct {
	Connection    string `json:"connection"`
	Grant         string `json:"grant,omitempty"`
	EndUserID     string `json:"endUserId,omitempty"`
	UID           string `json:"uid"`
	State         string `json:"state"`
	PreviousState string `json:"previousState,omitempty"`
	StateReason   string `json:"stateReason,omitempty"`
	StateMessage  string `json:"stateMessage,omitempty"`
	// GrantExpireTime is set by the events that say that the grant ends soon.
	GrantExpireTime string `json:"grantExpireTime,omitempty"`
	Time            string `json:"time"`
	// EventID is the same when an event is published twice.
	EventID string `json:"eventId"`
}

// Announce implements connection.Announcer.
func (c *Client) Announce(ctx context.Context, e connection.StateEvent) error {
	content := detail{
		Connection:    e.Connection.String(),
		UID:           e.UID,
		State:         string(e.State),
		PreviousState: string(e.Previous),
		StateReason:   string(e.Reason),
		StateMessage:  e.Message,
		Time:          e.Time.UTC().Format(time.RFC3339Nano),
		EventID:       e.ID,
	}
	if e.Grant != "" {
		content.Grant, content.EndUserID = e.Resource(), e.EndUser
	}
	if !e.GrantExpireTime.IsZero() {
		content.GrantExpireTime = e.GrantExpireTime.UTC().Format(time.RFC3339Nano)
	}
	text, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("announce: encode event %s: %w", e.ID, err)
	}
	response, err := c.delivery.PutEvents(ctx, &deliveryv1.PutEventsRequest{
		Bus: "projects/" + e.Connection.Project + "/buses/default",
		Entries: []*deliveryv1.PutEventsRequestEntry{{
			Source:     Source,
			DetailType: e.DetailType(),
			Detail:     string(text),
			Resources:  resources(e),
			Time:       timestamppb.New(e.Time),
		}},
	})
	if status.Code(err) == codes.InvalidArgument {
		return fmt.Errorf("%w: %s: %w", connection.ErrEventRefused, e.ID, err)
	}
	if err != nil {
		return fmt.Errorf("announce: put event %s: %w", e.ID, err)
	}
	return judge(e, response)
}

// resources are what the event is about: the connection and, if it is a grant's, the grant.
func resources(e connection.StateEvent) []string {
	if e.Grant == "" {
		return []string{e.Connection.String()}
	}
	return []string{e.Connection.String(), e.Resource()}
}

// judge looks at what became of the one entry.
func judge(e connection.StateEvent, response *deliveryv1.PutEventsResponse) error {
	if len(response.GetEntries()) != 1 {
		return errors.New("announce: the answer to one event has not one entry")
	}
	entry := response.GetEntries()[0]
	switch entry.GetErrorCode() {
	case "":
		return nil
	case internalFailure:
		return fmt.Errorf("announce: put event %s: %s: %s", e.ID, entry.GetErrorCode(), entry.GetErrorMessage())
	default:
		return fmt.Errorf("%w: %s: %s: %s", connection.ErrEventRefused, e.ID, entry.GetErrorCode(), entry.GetErrorMessage())
	}
}
