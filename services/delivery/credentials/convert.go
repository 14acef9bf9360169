package credentials

import (
	"strings"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func fromToken(t *tokenv1.Token) *delivery.Credential {
	c := &delivery.Credential{
		State: delivery.CredentialInvalid, Generation: t.GetGeneration(), Fingerprint: t.GetFingerprint(),
		Traceparent: t.GetTraceparent(),
	}
	if t.GetState() != tokenv1.Token_AUTHORIZED {
		c.Reason = strings.TrimSpace(t.GetStateReason().String() + " " + t.GetStateMessage())
		return c
	}
	c.State, c.Bound, c.Signs = delivery.CredentialValid, t.GetDpop() != nil, t.GetOauth1() != nil
	c.Headers = fromFields(t.GetCredential().GetHeaders())
	c.Query = fromFields(t.GetCredential().GetQuery())
	c.Body = fromFields(t.GetCredential().GetBody())
	if t.GetExpireTime() != nil {
		c.ExpireTime = t.GetExpireTime().AsTime()
	}
	if t.GetHoldUntil() != nil {
		c.HoldUntil = t.GetHoldUntil().AsTime()
	}
	return c
}

func fromFields(list []*tokenv1.HttpCredentialField) []delivery.Field {
	fields := make([]delivery.Field, len(list))
	for i, f := range list {
		fields[i] = delivery.Field{Key: f.GetKey(), Value: seal.NewSecret(f.GetValue())}
	}
	return fields
}
