from click import command
@command()
def doctor(): pass
