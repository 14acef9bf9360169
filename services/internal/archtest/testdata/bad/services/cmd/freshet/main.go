package main // want length package-doc

import (
	"os"

	_ "github.com/freshet-io/freshet/services/app"
	_ "github.com/freshet-io/freshet/services/token" // want cmd-over-app
)

func main() { os.Exit(len(os.Getenv("HOME"))) }
