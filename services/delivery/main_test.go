package delivery_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }
