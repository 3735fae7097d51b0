from photoflow.cli import main

if __name__ == "__main__":  # processes that are started from here import it, too
    main()
