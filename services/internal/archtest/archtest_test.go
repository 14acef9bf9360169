package archtest_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/archtest"
)

var limits = archtest.Limits{File: 700, Function: 100, Main: 40}

// exceptions are the places where a rule does not hold, and why.
var exceptions = []archtest.Exception{
	{Rule: "no-skip", File: "services/internal/seal/keyfile_test.go", Reason: "file modes mean nothing on Windows"},
	{Rule: "no-skip", File: "services/internal/sqltest/sqltest_test.go", Reason: "watches the server it starts; there is none when a DSN is given"},
}

func TestWorkspace(t *testing.T) {
	found, err := archtest.Check("../../..", limits, exceptions)
	require.NoError(t, err)
	for _, v := range found {
		t.Error(v)
	}
}

// TestRulesNotice runs the check over a workspace in which each rule is broken: a comment `// want rule` stands on every
// line that must be reported, and nothing else may be.
func TestRulesNotice(t *testing.T) {
	found, err := archtest.Check("testdata/bad", archtest.Limits{File: 40, Function: 12, Main: 8}, []archtest.Exception{
		{Rule: "no-skip", File: "services/token/excepted_test.go", Reason: "shows that an exception is heeded"},
		{Rule: "no-init", File: "services/token/excepted_test.go", Reason: "shows that a needless exception is reported"},
	})
	require.NoError(t, err)
	var got []string
	for _, v := range found {
		got = append(got, place(v.File, v.Line, v.Rule))
		require.NotEmpty(t, v.Reason, v)
	}
	want := append(wanted(t, "testdata/bad"), place("services/token/excepted_test.go", 0, "unused-exception"))
	require.ElementsMatch(t, want, got, "%v", found)
}

func TestCheckNeedsAWorkspace(t *testing.T) {
	_, err := archtest.Check(t.TempDir(), limits, nil)
	require.ErrorContains(t, err, "go list")
}

func place(file string, line int, rule string) string {
	return fmt.Sprintf("%s:%d %s", file, line, rule)
}

func wanted(t *testing.T, root string) []string {
	t.Helper()
	comment := regexp.MustCompile(`// want ([a-z- ]+)$`)
	var list []string
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := comment.FindStringSubmatch(line); m != nil {
				for rule := range strings.FieldsSeq(m[1]) {
					list = append(list, place(filepath.ToSlash(rel), i+1, rule))
				}
			}
		}
		return nil
	})
	require.NoError(t, err)
	return list
}
