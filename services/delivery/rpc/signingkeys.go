package rpc

import (
	"context"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/signature"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// signingServer implements deliveryv1.SigningKeyServiceServer.
type signingServer struct {
	deliveryv1.UnimplementedSigningKeyServiceServer
	*server
}

// CreateSigningKey implements deliveryv1.SigningKeyServiceServer.
func (s signingServer) CreateSigningKey(
	ctx context.Context, req *deliveryv1.CreateSigningKeyRequest,
) (*deliveryv1.CreateSigningKeyResponse, error) {
	on, err := parseDestination("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	n := delivery.NewSigningKey{Algorithm: signature.Algorithm(req.GetAlgorithm())}
	if req.GetSecret() != "" {
		n.Secret = seal.NewSecret(req.GetSecret())
	}
	if req.RetireOthersAfter != nil {
		after := req.GetRetireOthersAfter().AsDuration()
		n.RetireOthers = &after
	}
	key, err := s.service.CreateSigningKey(ctx, on, n)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	response := &deliveryv1.CreateSigningKeyResponse{SigningKey: fromSigningKey(&key)}
	if n.Secret.IsZero() && key.Algorithm == signature.HMACSHA256 {
		response.Secret = key.Secret.Reveal()
	}
	return response, nil
}

// ListSigningKeys implements deliveryv1.SigningKeyServiceServer.
func (s signingServer) ListSigningKeys(
	ctx context.Context, req *deliveryv1.ListSigningKeysRequest,
) (*deliveryv1.ListSigningKeysResponse, error) {
	on, err := parseDestination("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	keys, err := s.service.ListSigningKeys(ctx, on)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	response := &deliveryv1.ListSigningKeysResponse{}
	for i := range keys {
		response.SigningKeys = append(response.SigningKeys, fromSigningKey(&keys[i]))
	}
	return response, nil
}

// DeleteSigningKey implements deliveryv1.SigningKeyServiceServer.
func (s signingServer) DeleteSigningKey(
	ctx context.Context, req *deliveryv1.DeleteSigningKeyRequest,
) (*deliveryv1.DeleteSigningKeyResponse, error) {
	ids, ok := segments(req.GetName(), "projects", "destinations", "signingKeys")
	if !ok {
		return nil, s.fail(ctx, malformed("name", "projects/{project}/destinations/{destination}/signingKeys/{key}"))
	}
	if err := s.service.DeleteSigningKey(ctx, delivery.SigningKeyName{Project: ids[0], Destination: ids[1], Key: ids[2]}); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteSigningKeyResponse{}, nil
}

func fromSigningKey(k *delivery.SigningKey) *deliveryv1.SigningKey {
	return &deliveryv1.SigningKey{
		Name: k.Name.String(), Algorithm: deliveryv1.SigningKey_Algorithm(k.Algorithm), // 1 or 2
		PublicKey: k.PublicKey, CreateTime: timestamp(k.CreateTime), ExpireTime: timestamp(k.ExpireTime),
	}
}
