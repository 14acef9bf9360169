module github.com/freshet-io/freshet/sdk

go 1.26.0
