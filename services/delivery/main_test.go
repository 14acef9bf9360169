package delivery_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }
