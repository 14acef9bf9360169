package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(&run{tests: m})
}

// run is what all tests of the package share: the binary, the collector, the database server.
type run struct{ tests *testing.M }

// Run implements goleak.TestingM.
func (r *run) Run() int {
	dir, err := os.MkdirTemp("", "freshet-e2e-")
	if err != nil {
		return complain(err)
	}
	if err := spread(); err != nil {
		return complain(err)
	}
	binary.dir = dir
	telemetry = newCollector()
	// The exporters read the process environment, and processes that are started inherit it.
	for name, value := range telemetry.environment() {
		err = errors.Join(err, os.Setenv(name, value))
	}
	if err != nil {
		return complain(err)
	}
	code := sqltest.Main(r.tests)
	telemetry.close()
	if err := os.RemoveAll(dir); err != nil {
		return complain(err)
	}
	return code
}

// spread runs more tests at once than there are processors, unless told otherwise: most of their time they wait for tokens to expire.
func spread() error {
	flag.Parse()
	parallel := flag.Lookup("test.parallel")
	if parallel.Value.String() != parallel.DefValue {
		return nil
	}
	return parallel.Value.Set("6")
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}

// telemetry receives what every world exports.
var telemetry *collector

// binary is the real program, built when the first test wants it.
var binary = &program{}

type program struct {
	dir  string
	once sync.Once
	path string
	err  error
}

// build returns the path of the program.
func (p *program) build() (string, error) {
	p.once.Do(func() {
		p.path = filepath.Join(p.dir, "freshet")
		out, err := exec.Command("go", "build", "-o", p.path, "../cmd/freshet").CombinedOutput()
		if err != nil {
			p.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	return p.path, p.err
}
