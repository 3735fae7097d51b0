from photoflow.cli import main

main()
