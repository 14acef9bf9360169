package rpc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

const (
	shop = "projects/p/destinations/shop"
	none = "projects/p/destinations/none"
)

func TestControls(t *testing.T) {
	f := newFixture(t)
	controls := deliveryv1.NewDestinationControlServiceClient(f.admin)
	breaker := &deliveryv1.CircuitBreaker{
		ConsecutiveFailures: 7, MinimumFailingTime: durationpb.New(time.Minute), ProbeInterval: durationpb.New(time.Second),
		MaximumProbeInterval: durationpb.New(time.Hour),
	}
	d := f.destination(t, "shop", func(d *deliveryv1.Destination) {
		d.CircuitBreaker = breaker
		d.AttemptDetail = deliveryv1.Destination_ALL
		d.ExtraUnauthorizedStatuses, d.RetryableStatuses, d.PermanentStatuses = []int32{403}, []int32{404}, []int32{501}
		d.UnlimitedRate, d.MaxConcurrency, d.IdempotencyHeader = true, 9, "X-Id"
	})
	paused, err := controls.PauseDestination(t.Context(), &deliveryv1.PauseDestinationRequest{Name: shop, Reason: "why"})
	require.NoError(t, err)
	require.Equal(t, deliveryv1.Destination_PAUSED, paused.GetDestination().GetState())
	require.Equal(t, "why", paused.GetDestination().GetPause().GetReason())
	backlog, err := controls.GetDestinationBacklog(t.Context(), &deliveryv1.GetDestinationBacklogRequest{Name: shop})
	require.NoError(t, err)
	require.Zero(t, backlog.GetBacklog().GetWaitingCount())
	require.NotNil(t, backlog.GetBacklog().WaitingCount) //nolint:protogetter // it is there although it is 0
	resumed, err := controls.ResumeDestination(t.Context(), &deliveryv1.ResumeDestinationRequest{Name: shop})
	require.NoError(t, err)
	require.True(t, proto.Equal(d, resumed.GetDestination()), "as it was created: %v", resumed)
	require.True(t, proto.Equal(breaker, d.GetCircuitBreaker()))

	_, err = controls.PauseDestination(t.Context(), &deliveryv1.PauseDestinationRequest{Name: none})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)
	_, err = controls.ResumeDestination(t.Context(), &deliveryv1.ResumeDestinationRequest{Name: none})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)
	_, err = controls.GetDestinationBacklog(t.Context(), &deliveryv1.GetDestinationBacklogRequest{Name: none})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)
	_, err = f.api.UpdateDestination(t.Context(), &deliveryv1.UpdateDestinationRequest{
		Destination: &deliveryv1.Destination{Name: shop, PermanentStatuses: []int32{404}},
	})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "destination.permanent_statuses", "404")
}

func TestSigningKeys(t *testing.T) {
	f := newFixture(t)
	keys := deliveryv1.NewSigningKeyServiceClient(f.admin)
	f.destination(t, "shop", nil)
	var name string
	for range 10 {
		created, err := keys.CreateSigningKey(t.Context(), &deliveryv1.CreateSigningKeyRequest{Parent: shop})
		require.NoError(t, err)
		require.NotEmpty(t, created.GetSecret())
		name = created.GetSigningKey().GetName()
	}
	_, err := keys.CreateSigningKey(t.Context(), &deliveryv1.CreateSigningKeyRequest{Parent: shop})
	requireError(t, err, codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED)
	_, err = keys.DeleteSigningKey(t.Context(), &deliveryv1.DeleteSigningKeyRequest{Name: name})
	require.NoError(t, err)
	_, err = keys.DeleteSigningKey(t.Context(), &deliveryv1.DeleteSigningKeyRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_SIGNING_KEY_NOT_FOUND)

	_, err = keys.CreateSigningKey(t.Context(), &deliveryv1.CreateSigningKeyRequest{Parent: none})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)
	_, err = keys.ListSigningKeys(t.Context(), &deliveryv1.ListSigningKeysRequest{Parent: none})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)
	_, err = keys.CreateSigningKey(t.Context(), &deliveryv1.CreateSigningKeyRequest{Parent: shop, Secret: "whsec_plain-s3cret"})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "secret", "whsec_")
	require.NotContains(t, err.Error(), "plain")

	created, err := keys.CreateSigningKey(t.Context(), &deliveryv1.CreateSigningKeyRequest{
		Parent: shop, Algorithm: deliveryv1.SigningKey_ED25519, RetireOthersAfter: durationpb.New(time.Hour),
	})
	require.NoError(t, err)
	require.Empty(t, created.GetSecret(), "nobody needs the private key")
	list, err := keys.ListSigningKeys(t.Context(), &deliveryv1.ListSigningKeysRequest{Parent: shop})
	require.NoError(t, err)
	require.Len(t, list.GetSigningKeys(), 10)
	for i, k := range list.GetSigningKeys() {
		require.Equal(t, i < 9, k.GetExpireTime() != nil)
	}
	require.Equal(t, created.GetSigningKey().GetPublicKey(), list.GetSigningKeys()[9].GetPublicKey())
}
